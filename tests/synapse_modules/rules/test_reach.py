"""Who may reach whom, by example and over all combinations."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.reach import (
    House,
    Party,
    Refusal,
    Room,
    RoomPlan,
    check_invitation,
    check_join,
    check_message,
    check_state,
    is_hidden_from,
    plan_room,
)

HOUSE = House("@hek:t", "@hek-service:t")
CIPHERTEXT = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "AwgA"}
ERIKA = Party("@erika:t", AccountKind.INSURED, live=True)
MAX = Party("@max:t", AccountKind.INSURED, live=True)
SOMMER = Party("@sommer:t", AccountKind.PRACTICE, live=True, reachable=True)
WINTER = Party("@winter:t", AccountKind.PRACTICE, live=True)
BERG = Party("@agent.berg:t", AccountKind.AGENT, live=True)
HEK = Party("@hek:t", AccountKind.SERVICE, live=True)
SERVICE = Party("@hek-service:t", AccountKind.SERVICE, live=True)
ADMIN = Party("@operator:t", AccountKind.ADMIN, live=True)
NOBODY = Party("@nobody:t", None, live=False)
EVERYBODY = [ERIKA, MAX, SOMMER, WINTER, BERG, HEK, SERVICE, ADMIN, NOBODY]
ROOMS = [Room("!r:t", kind, None if kind is RoomKind.TEAM else ERIKA.user_id) for kind in RoomKind]
parties = st.sampled_from(EVERYBODY)
rooms = st.sampled_from(ROOMS)


def locked(party: Party) -> Party:
    return Party(party.user_id, party.kind, live=False, reachable=party.reachable)


@pytest.mark.parametrize(
    ("creator", "invitees", "planned"),
    [
        (ERIKA, [SOMMER], RoomPlan(RoomKind.REQUEST, ERIKA.user_id)),
        (ERIKA, [HEK], RoomPlan(RoomKind.SUPPORT, ERIKA.user_id)),
        (ERIKA, [], Refusal.ONE_INVITEE),
        (ERIKA, [SOMMER, WINTER], Refusal.ONE_INVITEE),
        (ERIKA, [locked(SOMMER)], Refusal.NOT_REACHABLE),
        (ERIKA, [SERVICE], RoomPlan(RoomKind.SERVICE, ERIKA.user_id)),
        (ERIKA, [locked(SERVICE)], Refusal.NOT_REACHABLE),
        (locked(ERIKA), [SOMMER], Refusal.NO_RIGHTS),
        (WINTER, [ERIKA], RoomPlan(RoomKind.REQUEST, ERIKA.user_id)),
        (WINTER, [locked(ERIKA)], Refusal.NOT_REACHABLE),
        (WINTER, [SOMMER], Refusal.NOT_REACHABLE),
        (HEK, [], RoomPlan(RoomKind.TEAM, None)),
        (HEK, [BERG], RoomPlan(RoomKind.TEAM, None)),
        (HEK, [ERIKA], RoomPlan(RoomKind.SUPPORT, ERIKA.user_id)),
        (HEK, [ERIKA, BERG], Refusal.ONE_INVITEE),
        (SERVICE, [ERIKA], RoomPlan(RoomKind.SERVICE, ERIKA.user_id)),
        (SERVICE, [SOMMER], Refusal.NOT_REACHABLE),
        (BERG, [ERIKA], Refusal.NO_RIGHTS),
        (ADMIN, [ERIKA], Refusal.NO_RIGHTS),
        (NOBODY, [HEK], Refusal.NO_RIGHTS),
    ],
)
def test_what_room_comes_of_it(creator: Party, invitees: list[Party], planned: RoomPlan | Refusal) -> None:
    assert plan_room(creator, invitees, HOUSE, reachability_known=True, admitted=True) == planned


@pytest.mark.parametrize("known", [True, False])
def test_an_insured_person_cannot_tell_unreachable_people_apart(known: bool) -> None:
    answers = {
        plan_room(ERIKA, [invitee], HOUSE, reachability_known=known, admitted=True)
        for invitee in EVERYBODY
        if invitee not in (SOMMER, HEK, SERVICE)
    }
    assert answers == {Refusal.NOT_REACHABLE if known else Refusal.TRY_LATER}


def test_while_reachability_is_unknown_only_hek_is_reached() -> None:
    assert plan_room(ERIKA, [SOMMER], HOUSE, reachability_known=False, admitted=True) is Refusal.TRY_LATER
    assert plan_room(ERIKA, [HEK], HOUSE, reachability_known=False, admitted=True) == RoomPlan(
        RoomKind.SUPPORT, ERIKA.user_id
    )
    assert plan_room(ERIKA, [SERVICE], HOUSE, reachability_known=False, admitted=True) == RoomPlan(
        RoomKind.SERVICE, ERIKA.user_id
    )


@given(parties, st.lists(parties, max_size=3), st.booleans())
def test_no_planned_room_ever_brings_two_insured_people_together(
    creator: Party, invitees: list[Party], known: bool
) -> None:
    if isinstance(plan_room(creator, invitees, HOUSE, reachability_known=known, admitted=True), RoomPlan):
        members = [creator, *invitees]
        assert sum(member.kind is AccountKind.INSURED for member in members) <= 1
        assert all(member.live for member in members)
        assert AccountKind.ADMIN not in {member.kind for member in members}


def test_who_is_invited_where_over_all_combinations() -> None:
    allowed = {
        (room.kind, inviter.user_id, invitee.user_id)
        for room, inviter, invitee in product(ROOMS, EVERYBODY, EVERYBODY)
        if check_invitation(inviter, invitee, room, HOUSE, has_practice=False, reachability_known=True, admitted=True)
        is None
    }
    chats = {
        (kind, inviter.user_id, invitee.user_id)
        for kind in (RoomKind.REQUEST, RoomKind.CARE)
        for inviter, invitee in ((ERIKA, SOMMER), (SOMMER, ERIKA), (WINTER, ERIKA))
    }
    assert allowed == chats | {
        (RoomKind.SUPPORT, ERIKA.user_id, HEK.user_id),
        (RoomKind.SUPPORT, HEK.user_id, ERIKA.user_id),
        (RoomKind.SERVICE, ERIKA.user_id, SERVICE.user_id),
        (RoomKind.SERVICE, SERVICE.user_id, ERIKA.user_id),
        (RoomKind.TEAM, HEK.user_id, BERG.user_id),
    }


def test_a_second_practice_is_not_invited() -> None:
    care = Room("!r:t", RoomKind.CARE, ERIKA.user_id)
    refused = check_invitation(ERIKA, SOMMER, care, HOUSE, has_practice=True, reachability_known=True, admitted=True)
    assert refused is Refusal.NOT_REACHABLE


def test_who_joins_where_over_all_combinations() -> None:
    allowed = {
        (room.kind, user.user_id)
        for room, user in product(ROOMS, EVERYBODY)
        if check_join(user, room, HOUSE, is_invited=True, is_member=False) is None
    }
    assert allowed == {
        *((kind, user.user_id) for kind in (RoomKind.REQUEST, RoomKind.CARE) for user in (ERIKA, SOMMER, WINTER)),
        *((RoomKind.SUPPORT, user.user_id) for user in (ERIKA, HEK)),
        *((RoomKind.SERVICE, user.user_id) for user in (ERIKA, SERVICE)),
        *((RoomKind.TEAM, user.user_id) for user in (BERG, HEK)),
    }


@given(parties, rooms, st.booleans(), st.booleans())
def test_nobody_joins_uninvited_or_locked(user: Party, room: Room, invited: bool, member: bool) -> None:
    assert check_join(locked(user), room, HOUSE, is_invited=invited, is_member=False) is not None
    assert check_join(user, None, HOUSE, is_invited=invited, is_member=member) is not None
    if not invited and not member:
        assert check_join(user, room, HOUSE, is_invited=False, is_member=False) is not None


@given(parties, rooms)
def test_a_locked_member_stays_what_she_was_so_that_she_can_be_marked(user: Party, room: Room) -> None:
    verdicts = [check_join(one, room, HOUSE, is_invited=False, is_member=True) for one in (user, locked(user))]
    assert verdicts[0] is verdicts[1] or not user.live


@given(parties, rooms, st.text())
def test_only_ciphertext_deletions_and_reactions_are_sent_and_nothing_before_acceptance(
    sender: Party, room: Room, event_type: str
) -> None:
    assert check_message(sender, room, event_type, CIPHERTEXT) is not None or event_type in {
        "m.room.encrypted",
        "m.room.redaction",
        "m.reaction",
    }
    assert check_message(sender, Room("!r:t", RoomKind.REQUEST, ERIKA.user_id), "m.room.encrypted", CIPHERTEXT)
    assert check_message(locked(sender), room, "m.room.encrypted", CIPHERTEXT) is Refusal.NO_RIGHTS
    assert check_message(sender, None, "m.room.encrypted", CIPHERTEXT) is Refusal.NO_RIGHTS


def test_only_service_accounts_send_state_and_never_what_protects_a_room() -> None:
    support = Room("!r:t", RoomKind.SUPPORT, ERIKA.user_id)
    assert check_state(HEK, support, "de.hek.retention") is None
    for event_type in ("m.room.encryption", "m.room.join_rules", "m.room.history_visibility", "m.room.power_levels"):
        assert check_state(HEK, support, event_type) is Refusal.STATE_FIXED
    for user in (ERIKA, SOMMER, BERG, ADMIN):
        assert check_state(user, support, "m.room.name") is Refusal.STATE_FIXED


@given(parties)
def test_administrators_are_found_by_administrators_alone(asking: Party) -> None:
    assert is_hidden_from(ADMIN, asking) is (asking is not ADMIN)


@given(parties)
def test_insured_people_are_hidden_from_everybody(asking: Party) -> None:
    assert is_hidden_from(ERIKA, asking)
    assert is_hidden_from(NOBODY, asking)
    assert is_hidden_from(SOMMER, asking) is (asking is NOBODY)


def test_the_invited_side_decides_but_hek_is_always_let_in() -> None:
    def plan(creator: Party, invitee: Party) -> RoomPlan | Refusal:
        return plan_room(creator, [invitee], HOUSE, reachability_known=True, admitted=False)

    assert plan(ERIKA, SOMMER) is plan(WINTER, ERIKA) is Refusal.NOT_REACHABLE
    assert isinstance(plan(HEK, ERIKA), RoomPlan)
    assert isinstance(plan(SERVICE, ERIKA), RoomPlan)
    for room, inviter, invitee in product(ROOMS, EVERYBODY, EVERYBODY):
        refused = check_invitation(
            inviter, invitee, room, HOUSE, has_practice=False, reachability_known=True, admitted=False
        )
        assert refused is not None or inviter in {HEK, SERVICE}
