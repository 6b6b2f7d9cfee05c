"""What rooms are made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.account_kinds import RoomKind
from synapse_modules.rules.reach import House, RoomPlan
from synapse_modules.rules.room_form import FormFault, FormRefused, power_levels, read_marker, read_wish, room_request

HOUSE = House("@hek:t", "@hek-service:t")
PLAN = RoomPlan(RoomKind.REQUEST, "@erika:t")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = ("invite", "initial_state", "creation_content", "visibility", "preset", "room_version", "invite_3pid", "name")


def made(config: dict[str, Any], *, may_name: bool = False) -> dict[str, Any]:
    return room_request(read_wish(config), PLAN, "@erika:t", HOUSE, may_name=may_name)


def test_what_an_ordinary_client_leaves_out_is_added() -> None:
    request = made({"invite": ["@sommer:t"]})
    states = {state["type"]: state["content"] for state in request["initial_state"]}
    assert states == {
        "m.room.encryption": {"algorithm": "m.megolm.v1.aes-sha2"},
        "m.room.history_visibility": {"history_visibility": "invited"},
        "m.room.guest_access": {"guest_access": "forbidden"},
    }
    assert (request["preset"], request["room_version"], request["visibility"]) == ("private_chat", "10", "private")


def test_names_are_kept_for_service_accounts_alone() -> None:
    config = {"invite": [], "name": "Team", "topic": "Quartal", "room_alias_name": "team-1"}
    assert not {"name", "topic", "room_alias_name"} & set(made(config))
    assert made(config, may_name=True)["room_alias_name"] == "team-1"


def test_a_clients_rotation_of_keys_is_kept_and_nothing_else_of_its_encryption() -> None:
    content = {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 50, "note": "Rückenschmerzen"}
    request = made({"initial_state": [{"type": "m.room.encryption", "content": content}]})
    assert request["initial_state"][-1]["content"] == {"algorithm": content["algorithm"], "rotation_period_msgs": 50}


@pytest.mark.parametrize(
    ("config", "fault"),
    [
        ({"invite": {}}, FormFault.NOT_READABLE),
        ({"creation_content": None}, FormFault.NOT_READABLE),
        ({"visibility": "public"}, FormFault.NOT_PRIVATE),
        ({"preset": "public_chat"}, FormFault.NOT_PRIVATE),
        ({"room_version": "9"}, FormFault.WRONG_VERSION),
        ({"creation_content": {"type": "m.space"}}, FormFault.SPECIAL_ROOM),
        ({"initial_state": [{"type": "m.room.encryption", "content": {}}]}, FormFault.WRONG_ENCRYPTION),
        ({"initial_state": [{"type": "m.room.power_levels", "content": {}}]}, FormFault.UNKNOWN_STATE),
        ({"initial_state": [{"type": "m.room.name", "state_key": "x", "content": {}}]}, FormFault.UNKNOWN_STATE),
    ],
)
def test_other_forms_are_refused_with_their_reason(config: dict[str, Any], fault: FormFault) -> None:
    with pytest.raises(FormRefused) as refusal:
        read_wish(config)
    assert refusal.value.fault is fault


@given(st.dictionaries(st.sampled_from(KEYS) | st.text(), json_values))
def test_any_body_is_either_refused_or_becomes_a_private_encrypted_room(config: dict[str, Any]) -> None:
    try:
        request = made(config)
    except FormRefused:
        return
    assert request["visibility"] == "private"
    assert {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}} in request[
        "initial_state"
    ]
    assert read_marker(request["creation_content"]) == PLAN


@given(st.dictionaries(st.just("de.hek.room") | st.text(), json_values))
def test_a_faulty_mark_is_no_mark(content: dict[str, Any]) -> None:
    plan = read_marker(content)
    assert plan is None or plan.kind in RoomKind


@pytest.mark.parametrize("kind", list(RoomKind))
def test_nobody_can_rewrite_the_powers_and_only_teams_can_remove_members(kind: RoomKind) -> None:
    levels = power_levels(kind, "@creator:t", HOUSE)
    assert max(levels["users"].values()) < levels["events"]["m.room.power_levels"]
    can_remove = max(levels["users"].values()) >= levels["kick"]
    assert can_remove is (kind is RoomKind.TEAM)
    if kind is RoomKind.SUPPORT:
        assert levels["users"][HOUSE.support] >= levels["state_default"]
    if kind is RoomKind.SERVICE:
        assert levels["users"][HOUSE.service] >= levels["state_default"]
