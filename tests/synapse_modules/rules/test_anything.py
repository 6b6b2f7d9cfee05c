"""Whatever a client sends, the rules say yes or no and never fail: random events, states, requests and memberships."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.clear_text import membership_without_words
from synapse_modules.rules.messages import check_message
from synapse_modules.rules.permission import read_permission
from synapse_modules.rules.reach import Refusal, Room
from synapse_modules.rules.room_form import FormRefused, RoomWish, read_wish
from synapse_modules.rules.room_request import read_marker
from synapse_modules.rules.room_state import STATE, check_state
from synapse_modules.rules.rooms_elsewhere import (
    ForeignEvent,
    ForeignState,
    Verdict,
    is_chat,
    judge_event,
    may_be_entered,
)

_KEYS = st.sampled_from(
    [
        "algorithm",
        "ciphertext",
        "sender_key",
        "session_id",
        "m.relates_to",
        "rel_type",
        "event_id",
        "key",
        "m.in_reply_to",
        "reason",
        "redacts",
        "membership",
        "creator",
        "users",
        "events",
        "join_rule",
        "history_visibility",
        "is_direct",
        "invite",
        "room_version",
        "creation_content",
        "initial_state",
        "type",
        "state_key",
        "content",
        "preset",
        "visibility",
        "de.hek.room",
        "kind",
        "insured",
        "defaultSetting",
        "userExceptions",
        "serverExceptions",
        "groupExceptions",
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.sampled_from([*STATE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS | st.text(), inner, max_size=5),
    max_leaves=12,
)
CONTENT = st.dictionaries(_KEYS | st.text(), JSON, max_size=6)
SENDERS = st.none() | st.sampled_from(AccountKind)
ROOMS = st.none() | st.builds(Room, st.just("!r:t"), st.sampled_from(RoomKind), st.none() | st.just("@erika:t"))


@given(SENDERS, ROOMS, st.sampled_from(["m.room.encrypted", "m.reaction", "m.room.redaction"]) | st.text(), CONTENT)
def test_any_message(sender: AccountKind | None, room: Room | None, event_type: str, content: dict[str, Any]) -> None:
    assert isinstance(check_message(sender, room, event_type, content), Refusal | None)


@given(SENDERS, ROOMS, st.sampled_from([*STATE]) | st.text(), st.text(max_size=3), CONTENT)
def test_any_state(
    sender: AccountKind | None, room: Room | None, event_type: str, state_key: str, content: dict[str, Any]
) -> None:
    assert isinstance(check_state(sender, room, event_type, state_key, content), Refusal | None)


_STATES = st.lists(
    st.builds(
        ForeignState,
        st.sampled_from([*STATE]) | st.text(max_size=3),
        st.just("") | st.text(max_size=3),
        CONTENT,
        st.text(max_size=3),
        SENDERS,
    ),
    max_size=5,
)


@given(st.sampled_from(["10", "12"]) | st.text(max_size=2), _STATES)
def test_any_room_elsewhere(version: str, states: list[ForeignState]) -> None:
    assert may_be_entered(version, states) in {True, False}
    assert is_chat(version, states, "@erika:t") in {True, False}


@given(SENDERS, ROOMS, st.sampled_from([*STATE]) | st.text(), st.none() | st.text(max_size=3), CONTENT)
def test_any_event_from_elsewhere(
    sender: AccountKind | None, room: Room | None, event_type: str, state_key: str | None, content: dict[str, Any]
) -> None:
    event = ForeignEvent(event_type, state_key, "@praxis:p", content, sender)
    assert judge_event(event, room, now=1) in Verdict


@given(CONTENT)
def test_any_request_for_a_room(config: dict[str, Any]) -> None:
    with suppress(FormRefused):
        assert isinstance(read_wish(config, ("10",)), RoomWish)


@given(CONTENT)
def test_any_membership_mark_or_permission(content: dict[str, Any]) -> None:
    assert membership_without_words(content).keys() <= {"is_direct"}
    read_marker(content)
    for kind in (AccountKind.INSURED, AccountKind.PRACTICE):
        read_permission(content, kind)
