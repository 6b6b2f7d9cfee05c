"""Room events are read from their raw JSON: legal oddities are read, pretence is not believed, nothing is logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vodozemac
from nio import BadEvent, Event
from nio.crypto import logger as nio_crypto_logger

from messenger_core.matrix.encryption.megolm_decryption import RoomKeyMissing, UndecryptableEvent
from messenger_core.matrix.encryption.quiet_loggers import quiet_loggers
from tests.messenger_core.matrix.olm_peer import ROOM, OfflineDevice, Peer, text


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[OfflineDevice]:
    device = OfflineDevice(tmp_path / "store")
    yield device
    device.machine.close()


@pytest.fixture
def peer(ours: OfflineDevice) -> Peer:
    return Peer("@peer:here.example", ours)


@pytest.fixture
def session(ours: OfflineDevice, peer: Peer) -> vodozemac.GroupSession:
    """A room key that our device has."""
    session = vodozemac.GroupSession()
    assert ours.take(peer.room_key(session)).learned
    return session


def why_not(ours: OfflineDevice, event: Mapping[str, Any]) -> str:
    """The reason why an event is unreadable."""
    with pytest.raises(UndecryptableEvent) as refusal:
        ours.decryptor.decrypt_megolm(ROOM, event)
    return refusal.value.reason


# -- row 15: what nio refuses -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "inside",
    [
        {"type": "m.room.message", "content": {"msgtype": "m.image", "body": "x.png", "url": "mxc://here.example/abc"}},
        {"type": "m.sticker", "content": {"body": "a sticker", "url": "mxc://here.example/abc", "info": {}}},
        {"type": "org.example.never.heard.of", "content": {"anything": [1, {"x": None}]}},
        {"type": "m.room.message", "content": {}},
        {"type": "m.room.message", "content": {"body": 7, "msgtype": ["x"]}},
        {"type": "m.reaction", "content": {"m.relates_to": "odd"}},
    ],
)
def test_row_15_whatever_an_encrypted_event_may_hold_is_read(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession, inside: dict[str, Any]
) -> None:
    readable = ours.decryptor.decrypt_megolm(ROOM, peer.event(session, inside))
    assert (readable.event["type"], readable.event["content"]) == (inside["type"], inside["content"])
    assert readable.event["event_id"] == "$event"


@pytest.mark.parametrize("beside", [{}, {"sender_key": "of somebody else"}, {"sender_key": 7, "device_id": [1]}])
def test_row_15_what_stands_beside_the_ciphertext_does_not_matter(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession, beside: dict[str, Any]
) -> None:
    readable = ours.decryptor.decrypt_megolm(ROOM, peer.event(session, text("hello"), **beside))
    assert readable.event["content"]["body"] == "hello"
    assert readable.sender_key == peer.curve25519


def test_relations_count_as_they_stand_in_clear(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession
) -> None:
    relation = {"rel_type": "m.thread", "event_id": "$root"}
    beside: dict[str, Any] = {"m.relates_to": relation}
    event = peer.event(session, text("hello"), **beside)
    assert ours.decryptor.decrypt_megolm(ROOM, event).event["content"]["m.relates_to"] == relation


# -- what is hostile --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plaintext",
    [
        "{",
        "[]",
        '{"type": NaN, "content": {}}',
        '{"a":' * 30_000 + "1" + "}" * 30_000,
        '{"type": "m.room.message", "content": {"x": ' + "[" * 500 + "]" * 500 + "}}",
        '{"type": 7, "content": {}}',
        '{"type": "m.room.message", "content": []}',
        json.dumps({**text("x"), "room_id": "!other:here.example"}),
        json.dumps(text("no room")),
        "\ud800",
    ],
)
def test_a_poisoned_payload_is_unreadable(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession, plaintext: str
) -> None:
    assert why_not(ours, peer.event(session, plaintext)) in {"no_json", "wrong_types", "another_room", "malformed"}


def test_half_characters_are_replaced_and_the_rest_is_read(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession
) -> None:
    content = ours.decryptor.decrypt_megolm(ROOM, peer.event(session, text("a\ud800b\x00c"))).event["content"]
    assert content["body"] == "a\ufffdb\x00c"
    json.dumps(content, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "content",
    [
        {"algorithm": "m.megolm.v1.aes-sha2"},
        {"algorithm": 7, "ciphertext": ["x"]},
        {"algorithm": "m.megolm.v1.aes-sha2", "session_id": ["x"], "ciphertext": "A"},
        *(
            {"algorithm": "m.megolm.v1.aes-sha2", "session_id": odd, "ciphertext": "A"}
            # No database takes all of these.
            for odd in ("", "\ud800", "\x00", "a\x00b", "a\nb", "\x7f", "ä", "A" * 256)
        ),
        [],
        None,
    ],
)
def test_an_event_that_is_no_ciphertext_is_unreadable(ours: OfflineDevice, peer: Peer, content: object) -> None:
    event = {"type": "m.room.encrypted", "event_id": "$x", "sender": peer.user_id, "content": content}
    assert why_not(ours, event) in {"not_encrypted", "unknown_algorithm", "wrong_types"}


@pytest.mark.parametrize("ciphertext", ["", "A", "AAAA", "ä", "\x00", "\ud800", "A" * 100_000])
def test_a_broken_ciphertext_is_unreadable(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession, ciphertext: str
) -> None:
    assert why_not(ours, peer.event(session, text("x"), ciphertext=ciphertext)) == "malformed"


def test_a_changed_ciphertext_is_unreadable(ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession) -> None:
    other = peer.event(vodozemac.GroupSession(), text("of another session"))["content"]["ciphertext"]
    assert why_not(ours, peer.event(session, text("x"), ciphertext=other)) == "undecryptable"


def test_encrypted_state_is_not_believed(ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession) -> None:
    inside = {"type": "m.room.member", "content": {"membership": "ban"}}
    assert why_not(ours, {**peer.event(session, inside), "state_key": "@x:x"}) == "encrypted_state"


def test_a_missing_key_is_named(ours: OfflineDevice, peer: Peer) -> None:
    session = vodozemac.GroupSession()
    with pytest.raises(RoomKeyMissing) as missing:
        ours.decryptor.decrypt_megolm(ROOM, peer.event(session, text("x")))
    assert missing.value.session_id == session.session_id


def test_a_key_of_another_room_does_not_read(ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession) -> None:
    with pytest.raises(RoomKeyMissing):
        ours.decryptor.decrypt_megolm("!other:here.example", peer.event(session, text("x")))


def test_nobody_speaks_with_somebody_elses_room_key(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession
) -> None:
    """A member who got a room key can encrypt nothing with it, but can send a copy of a message as her own."""
    event = peer.event(session, text("of the peer"))
    with pytest.raises(RoomKeyMissing):
        ours.decryptor.decrypt_megolm(ROOM, {**event, "sender": "@thief:here.example"})
    thief = Peer("@thief:here.example", ours, "THIEF")
    # She even claims to have made the key: then the message is hers for whoever believes it, but still not the peer's.
    ours.take(thief.room_key(session), first=2)
    assert ours.decryptor.decrypt_megolm(ROOM, event).sender_key == peer.curve25519


def test_an_event_waits_for_its_authors_key_though_somebody_else_sent_the_same_as_her_own(
    ours: OfflineDevice, peer: Peer
) -> None:
    session = vodozemac.GroupSession()
    authors_key = peer.room_key(session)
    thief = Peer("@thief:here.example", ours, "THIEF")
    assert ours.take(thief.room_key(session)).learned
    event = peer.event(session, text("of the peer"))
    with pytest.raises(RoomKeyMissing):
        ours.decryptor.decrypt_megolm(ROOM, event)
    assert ours.take(authors_key, first=2).learned == {(ROOM, session.session_id)}
    assert ours.decryptor.decrypt_megolm(ROOM, event).sender_key == peer.curve25519


def test_a_device_key_that_somebody_else_lists_as_her_own_reads_on(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession
) -> None:
    ours.know(replace(peer.known, owner="@mallory:here.example"))
    assert ours.decryptor.decrypt_megolm(ROOM, peer.event(session, text("hello"))).event["content"]["body"] == "hello"


# -- row 16: logs -----------------------------------------------------------------------------------------------------


def test_row_16_nio_and_its_database_library_log_nothing(
    ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession, caplog: pytest.LogCaptureFixture
) -> None:
    secret = "Kniegelenkspunktion"
    caplog.set_level(logging.DEBUG)
    for name in ("nio", "nio.events.misc", "nio.responses", "peewee"):
        # Whatever level somebody sets: that of a child counts for its own messages.
        logging.getLogger(name).setLevel(logging.DEBUG)
    quiet_loggers()
    content = {"msgtype": "m.text", "body": [secret]}
    event = {"type": "m.room.message", "event_id": "$x", "sender": "@x:x", "origin_server_ts": 1, "content": content}
    assert isinstance(Event.parse_event(event), BadEvent), "nio logs this one with all it holds"
    logging.getLogger("nio.events.misc").error("the content was %s", secret)
    nio_crypto_logger.error("the content was %s", secret)
    ours.decryptor.decrypt_megolm(ROOM, peer.event(session, text(secret)))
    ours.take(peer.seal(secret), peer.room_key(session, room_id=[secret]), first=2)
    ours.machine.sql("SELECT ?", (secret,))
    assert secret not in caplog.text
    assert peer.user_id not in caplog.text
    assert {record.name.partition(".")[0] for record in caplog.records} <= {"messenger_core"}
    logging.getLogger("messenger_core").warning("our own lines are there: %s", secret)
    assert secret in caplog.text
