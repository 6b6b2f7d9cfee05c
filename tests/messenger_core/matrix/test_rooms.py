"""A room's state and the power of those in it, in every room version."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.matrix.rooms import ALL_POWER, Room

MAKER, MODERATOR, OTHER = "@maker:x", "@moderator:x", "@other:x"


def room(version: str, levels: object = None, *, additional: object = None) -> Room:
    """A room that ``MAKER`` made."""
    creation: dict[str, Any] = {"room_version": version}
    if additional is not None:
        creation["additional_creators"] = additional
    events: list[object] = [{"type": "m.room.create", "state_key": "", "sender": MAKER, "content": creation}]
    if levels is not None:
        events.append({"type": "m.room.power_levels", "state_key": "", "sender": MAKER, "content": levels})
    return Room.from_state("!room", events)


@pytest.mark.parametrize("version", ["10", "11", "12"])
def test_power_levels_come_from_the_state_itself(version: str) -> None:
    found = room(version, {"users": {MODERATOR: 50}, "users_default": 7})
    assert found.version == version
    assert (found.power_of(MODERATOR), found.power_of(OTHER)) == (50, 7)


def test_row_17_creators_of_version_12_have_all_power_without_being_named_in_the_power_levels() -> None:
    twelve = room("12", {"users": {}}, additional=[OTHER, 7])
    assert twelve.power_of(MAKER) == twelve.power_of(OTHER) == ALL_POWER
    assert twelve.power_of(MODERATOR) == 0
    eleven = room("11", {"users": {}}, additional=[OTHER])
    assert eleven.power_of(MAKER) == eleven.power_of(OTHER) == 0


def test_without_power_levels_the_creator_alone_has_power() -> None:
    assert (room("10").power_of(MAKER), room("10").power_of(OTHER)) == (100, 0)


@pytest.mark.parametrize("levels", [{"users": [OTHER]}, {"users": {OTHER: "100"}}, {"users": {OTHER: True}}])
def test_a_level_of_the_wrong_type_is_no_power(levels: object) -> None:
    assert room("10", levels).power_of(OTHER) == 0


def test_members_and_encryption_are_read_from_state() -> None:
    found = Room.from_state(
        "!room",
        [
            {"type": "m.room.member", "state_key": OTHER, "content": {"membership": "invite"}},
            {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}},
            {"type": "m.room.member", "content": {"membership": "join"}},
            "no event",
        ],
    )
    assert found.members == {OTHER: "invite"}
    assert found.present == {OTHER}
    assert found.encrypted
    assert not Room.from_state("!room", []).encrypted


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=20), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "type": st.sampled_from(["m.room.create", "m.room.power_levels", "m.room.member", "m.room.encryption"]),
                "state_key": st.sampled_from(["", OTHER]),
                "content": st.dictionaries(
                    st.sampled_from(
                        ["users", "users_default", "room_version", "additional_creators", "membership", "algorithm"]
                    ),
                    _json,
                ),
            }
        )
        | _json,
        max_size=6,
    )
)
def test_no_state_whatever_makes_it_fail(events: list[object]) -> None:
    found = Room.from_state("!room", events)
    assert isinstance(found.power_of(OTHER), int)
    assert isinstance(found.members, dict)
    assert found.encrypted in {True, False}
