"""Reading the homeserver's answer: what it holds, and that nothing in it can stop the reading."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.matrix.events import Invitation
from messenger_core.matrix.sync_answer import LimitedTimeline, NoSyncAnswer, read_sync

BOT = "@bot:x"


def event(number: int, **changes: object) -> dict[str, Any]:
    """A message of somebody."""
    plain: dict[str, Any] = {
        "event_id": f"${number}",
        "sender": "@erika:x",
        "type": "m.room.message",
        "origin_server_ts": number,
        "content": {},
    }
    return plain | changes


def test_events_of_joined_and_left_rooms_come_in_their_order() -> None:
    joined = {"timeline": {"events": [event(1), event(2)], "limited": True, "prev_batch": "t1"}}
    left = {"timeline": {"events": [event(3, type="m.room.member", state_key=BOT)]}}
    answer = read_sync({"next_batch": "s1", "rooms": {"join": {"!a": joined}, "leave": {"!b": left}}}, BOT)
    assert [(each.room_id, each.event_id) for each in answer.events] == [("!a", "$1"), ("!a", "$2"), ("!b", "$3")]
    assert answer.limited == (LimitedTimeline("!a", "t1"),)
    assert answer.rooms == {"!a", "!b"}
    assert answer.rooms_with_new_readers == {"!a", "!b"}


def test_an_invitation_names_who_invited_this_account() -> None:
    state = [
        {"type": "m.room.member", "state_key": "@other:x", "sender": "@other:x", "content": {}},
        {"type": "m.room.member", "state_key": BOT, "sender": "@erika:x", "content": {"membership": "invite"}},
    ]
    answer = read_sync({"next_batch": "s", "rooms": {"invite": {"!a": {"invite_state": {"events": state}}}}}, BOT)
    assert answer.invitations == (Invitation("!a", "@erika:x"),)


@pytest.mark.parametrize(
    ("counts", "left"),
    [
        ({"device_one_time_keys_count": {"signed_curve25519": 7}}, 7),
        ({"device_one_time_keys_count": {"signed_curve25519": 0}}, 0),
        ({"device_one_time_keys_count": {}}, 0),
        ({}, None),
        ({"device_one_time_keys_count": {"signed_curve25519": "many"}}, None),
    ],
)
def test_row_04_no_key_left_is_told_apart_from_not_being_told(counts: dict[str, Any], left: int | None) -> None:
    assert read_sync({"next_batch": "s", **counts}, BOT).one_time_keys == left


def test_an_answer_without_a_position_is_none() -> None:
    with pytest.raises(NoSyncAnswer):
        read_sync({}, BOT)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=12,
)
_event = st.dictionaries(
    st.sampled_from(["event_id", "sender", "type", "state_key", "origin_server_ts", "content", "redacts", "unsigned"]),
    _json | st.text(min_size=1, max_size=5),
)
_timeline = st.fixed_dictionaries({}, optional={"events": st.lists(_event | _json, max_size=4) | _json})
_room = st.fixed_dictionaries(
    {}, optional={"timeline": _timeline | _json, "invite_state": st.fixed_dictionaries({"events": _json}) | _json}
)
_rooms = st.dictionaries(st.sampled_from(["join", "leave", "invite"]), st.dictionaries(st.text(), _room | _json))


@given(
    st.fixed_dictionaries(
        {"next_batch": st.text(min_size=1)},
        optional={
            "rooms": _rooms | _json,
            "to_device": _json | st.fixed_dictionaries({"events": _json}),
            "device_lists": _json | st.fixed_dictionaries({"changed": _json}),
            "device_one_time_keys_count": _json,
            "device_unused_fallback_key_types": _json,
        },
    )
)
def test_no_answer_whatever_makes_the_reading_fail(raw: dict[str, Any]) -> None:
    answer = read_sync(raw, BOT)
    assert answer.next_batch == raw["next_batch"]
    assert all(each.event_id.isascii() and each.room_id in answer.rooms for each in answer.events)
