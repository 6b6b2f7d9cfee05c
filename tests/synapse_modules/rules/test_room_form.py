"""What rooms are made of."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.account_kinds import RoomKind
from synapse_modules.rules.reach import House, RoomPlan
from synapse_modules.rules.room_form import FormFault, FormRefused, read_wish
from synapse_modules.rules.room_request import power_levels, read_marker, room_request

HOUSE = House("@hek:t", "@hek-service:t")
PLAN = RoomPlan(RoomKind.REQUEST, "@erika:t")
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
KEYS = (
    "invite",
    "initial_state",
    "creation_content",
    "visibility",
    "preset",
    "room_version",
    "invite_3pid",
    "name",
    "type",
)


VERSIONS = ("10",)


def made(
    config: dict[str, Any], *, may_name: bool = False, versions: tuple[str, ...] = VERSIONS, plan: RoomPlan = PLAN
) -> dict[str, Any]:
    return room_request(read_wish(config, versions), plan, "@erika:t", HOUSE, may_name=may_name)


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
        ({"creation_content": {"type": "de.gematik.tim.roomtype.default.v2"}}, FormFault.SPECIAL_ROOM),
        ({"type": "de.gematik.tim.roomtype.default.v2"}, FormFault.SPECIAL_ROOM),
        ({"creation_content": {"type": ["de.gematik.tim.roomtype.default.v1"]}}, FormFault.SPECIAL_ROOM),
        ({"creation_content": {"additional_creators": ["@max:t"]}}, FormFault.SPECIAL_ROOM),
        ({"creation_content": {"predecessor": {}}}, FormFault.SPECIAL_ROOM),
        ({"invite": ["@max\x00:t"]}, FormFault.NOT_READABLE),
        ({"initial_state": [{"type": "m.room.member", "state_key": "@max:t", "content": {}}]}, FormFault.UNKNOWN_STATE),
        ({"initial_state": [{"type": "m.room.member", "content": {}}]}, FormFault.UNKNOWN_STATE),
        ({"initial_state": [{"type": "m.room.tombstone", "content": {}}]}, FormFault.UNKNOWN_STATE),
        ({"initial_state": [{"type": "m.room.encryption", "content": {}}]}, FormFault.WRONG_ENCRYPTION),
        ({"initial_state": [{"type": "m.room.power_levels", "content": {}}]}, FormFault.UNKNOWN_STATE),
        ({"initial_state": [{"type": "m.room.name", "state_key": "x", "content": {}}]}, FormFault.UNKNOWN_STATE),
    ],
)
def test_other_forms_are_refused_with_their_reason(config: dict[str, Any], fault: FormFault) -> None:
    with pytest.raises(FormRefused) as refusal:
        read_wish(config, VERSIONS)
    assert refusal.value.fault is fault


def test_gematiks_room_type_is_kept_and_its_states_lose_their_words() -> None:
    states = [
        {"type": f"de.gematik.tim.room.{name}", "content": {"name": "Befund", "topic": "Befund", "case": "Befund"}}
        for name in ("name", "topic", "default.v1", "casereference.v1")
    ]
    room_type = "de.gematik.tim.roomtype.default.v1"
    request = made({"creation_content": {"type": room_type}, "initial_state": states})
    assert request["creation_content"]["type"] == room_type
    kept = {state["type"]: state["content"] for state in request["initial_state"] if "gematik" in state["type"]}
    assert kept == {
        "de.gematik.tim.room.name": {"name": ""},
        "de.gematik.tim.room.topic": {"topic": ""},
        "de.gematik.tim.room.default.v1": {},
        "de.gematik.tim.room.casereference.v1": {},
    }


def test_keys_are_never_used_longer_than_clients_do_by_themselves() -> None:
    content = {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 10**6, "rotation_period_ms": 0}
    request = made({"initial_state": [{"type": "m.room.encryption", "content": content}]})
    assert request["initial_state"][-1]["content"] == {"algorithm": content["algorithm"]}


def test_the_first_version_of_the_list_is_the_default_and_every_one_of_it_is_taken() -> None:
    versions = ("11", "12")
    assert made({}, versions=versions)["room_version"] == "11"
    assert made({"room_version": "12"}, versions=versions)["room_version"] == "12"


def test_who_makes_a_room_of_version_12_stands_above_its_levels_and_names_nobody_beside() -> None:
    request = made({"room_version": "12", "preset": "trusted_private_chat"}, versions=("12",))
    assert request["power_level_content_override"]["users"] == {}
    assert (request["preset"], "additional_creators" in request["creation_content"]) == ("private_chat", False)


@pytest.mark.parametrize("kind", list(RoomKind))
def test_heks_own_rooms_stay_on_this_homeserver(kind: RoomKind) -> None:
    federates = made({}, plan=RoomPlan(kind, "@erika:t"))["creation_content"].get("m.federate", True)
    assert federates is (kind in {RoomKind.REQUEST, RoomKind.CARE})


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
def test_nobody_can_rewrite_the_powers_and_only_teams_can_ban(kind: RoomKind) -> None:
    levels = power_levels(kind, "@creator:t", HOUSE)
    highest = max(levels["users"].values())
    assert highest < levels["events"]["m.room.power_levels"]
    assert (highest >= levels["ban"]) is (highest >= levels["redact"]) is (kind is RoomKind.TEAM)
    # An invitation can be taken back in chats; that nobody is removed there, the module sees to.
    assert (highest >= levels["kick"]) is (kind in {RoomKind.TEAM, RoomKind.REQUEST, RoomKind.CARE})
    if kind is RoomKind.SUPPORT:
        assert levels["users"][HOUSE.support] >= levels["state_default"]
    if kind is RoomKind.SERVICE:
        assert levels["users"][HOUSE.service] >= levels["state_default"]
