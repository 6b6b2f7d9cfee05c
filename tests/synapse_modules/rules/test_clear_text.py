"""Nothing that people could read stands beside the ciphertext."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synapse_modules.rules.clear_text import carries_no_words, membership_without_words

CIPHERTEXT: dict[str, Any] = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "ciphertext": "AwgAEnAT",
    "sender_key": "k" * 43,
    "session_id": "s" * 43,
    "device_id": "PHONE",
}
EVENT_ID = "$" + "e" * 43
REPLY = {"event_id": EVENT_ID}
THREAD = {"rel_type": "m.thread", "event_id": EVENT_ID, "is_falling_back": True, "m.in_reply_to": REPLY}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def reaction(key: object, **more: object) -> dict[str, Any]:
    return {"m.relates_to": {"rel_type": "m.annotation", "event_id": EVENT_ID, "key": key}, **more}


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.encrypted", CIPHERTEXT),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": THREAD}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {"m.in_reply_to": REPLY}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {"rel_type": "m.replace", "event_id": EVENT_ID}}),
        ("m.room.encrypted", {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA", "session_id": "s" * 43}),
        ("m.room.encrypted", {**CIPHERTEXT, "device_id": "A-Za_z.0+/="}),
        ("m.room.redaction", {}),
        ("m.room.redaction", {"redacts": EVENT_ID, "reason": ""}),
        ("m.reaction", reaction("👍🏽")),
        ("m.reaction", reaction("1️⃣")),
        ("m.reaction", reaction("❤️")),
        ("m.reaction", reaction("❤")),
        ("m.reaction", reaction("👍️")),
        ("m.reaction", reaction("🇩🇪")),
        ("m.reaction", reaction("👩‍👩‍👧‍👦")),
    ],
)
def test_what_ordinary_clients_send_is_allowed(event_type: str, content: dict[str, Any]) -> None:
    assert carries_no_words(event_type, content)


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.message", {"msgtype": "m.text", "body": "Befund"}),
        ("m.room.encrypted", {}),
        ("m.room.encrypted", {"body": "Befund"}),
        ("m.room.encrypted", {**CIPHERTEXT, "body": "Befund"}),
        ("m.room.encrypted", {**CIPHERTEXT, "ciphertext": "Befund positiv"}),
        ("m.room.encrypted", {**CIPHERTEXT, "ciphertext": {"Befund": "positiv"}}),
        ("m.room.encrypted", {**CIPHERTEXT, "algorithm": "org.none"}),
        ("m.room.encrypted", {**CIPHERTEXT, "device_id": "Befund positiv"}),
        ("m.room.encrypted", {**CIPHERTEXT, "device_id": "Befund:positiv"}),
        ("m.room.encrypted", {**CIPHERTEXT, "device_id": "B" * 65}),
        ("m.room.encrypted", {**CIPHERTEXT, "device_id": ["PHONE"]}),
        ("m.room.encrypted", {**CIPHERTEXT, "session_id": "Befund"}),
        ("m.room.encrypted", {**CIPHERTEXT, "session_id": "s" * 44}),
        ("m.room.encrypted", {**CIPHERTEXT, "sender_key": "Befund-positiv"}),
        ("m.room.encrypted", {**CIPHERTEXT, "sender_key": "Befund-" + "k" * 36}),
        ("m.room.encrypted", {**CIPHERTEXT, "algorithm": ["m.megolm.v1.aes-sha2"]}),
        ("m.room.encrypted", {**CIPHERTEXT, "de.hek.sending_id": "Befund"}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {**THREAD, "note": "Befund"}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {"event_id": "Befund positiv"}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {"m.in_reply_to": {**REPLY, "note": "y"}}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {"m.in_reply_to": {"event_id": "Befund-positiv"}}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {**THREAD, "rel_type": "Befund"}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": {**THREAD, "rel_type": ["m.thread"]}}),
        ("m.room.encrypted", {**CIPHERTEXT, "m.relates_to": "Befund"}),
        ("m.room.redaction", {"reason": "Mein Befund"}),
        ("m.room.redaction", {"note": "Mein Befund"}),
        ("m.room.redaction", {"redacts": "Mein Befund"}),
        ("m.reaction", reaction("Befund")),
        ("m.reaction", reaction("112")),
        ("m.reaction", reaction("1")),
        ("m.reaction", reaction("!")),
        ("m.reaction", reaction("👍👍")),
        ("m.reaction", reaction("🇸🇨🇭🇲🇪🇷🇿")),
        ("m.reaction", reaction("👍\U000e0042\U000e0065")),
        ("m.reaction", reaction("")),
        ("m.reaction", reaction(7)),
        ("m.reaction", reaction("👍" * 20)),
        ("m.reaction", reaction("👍", body="Befund")),
        ("m.reaction", {}),
        ("m.reaction", {"m.relates_to": "👍"}),
    ],
)
def test_what_could_carry_words_is_refused(event_type: str, content: dict[str, Any]) -> None:
    assert not carries_no_words(event_type, content)


@given(
    st.sampled_from(["m.room.encrypted", "m.room.redaction", "m.reaction", "m.room.message"]),
    st.dictionaries(
        st.sampled_from(["algorithm", "ciphertext", "m.relates_to", "reason", "redacts"]) | st.text(), JSON
    ),
)
def test_no_content_breaks_the_rule(event_type: str, content: dict[str, Any]) -> None:
    assert carries_no_words(event_type, content) in {True, False}


@given(st.dictionaries(st.sampled_from(["is_direct", "reason", "displayname", "membership"]) | st.text(), JSON))
def test_a_membership_keeps_no_words(content: dict[str, Any]) -> None:
    kept = membership_without_words(content)
    assert kept.keys() <= {"is_direct"}
    assert json.dumps(kept) in {"{}", '{"is_direct": true}', '{"is_direct": false}'}
