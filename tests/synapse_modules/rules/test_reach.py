"""Who may reach whom, by example and by property; the whole table stands in test_reach_table.py."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.reach import (
    Circumstances,
    House,
    Party,
    Refusal,
    Room,
    RoomPlan,
    check_invitation,
    check_invitation_from_elsewhere,
    check_join,
    is_hidden_from,
    plan_room,
)

HOUSE = House("@hek:t", "@hek-service:t")
UNHEARD = Circumstances(reachability_known=False, admitted=True)
BLOCKED = Circumstances(reachability_known=True, admitted=False)
USUAL = Circumstances(reachability_known=True, admitted=True)
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
    assert plan_room(creator, invitees, HOUSE, USUAL) == planned


@pytest.mark.parametrize("known", [True, False])
def test_an_insured_person_cannot_tell_unreachable_people_apart(known: bool) -> None:
    answers = {
        plan_room(ERIKA, [invitee], HOUSE, Circumstances(reachability_known=known, admitted=True))
        for invitee in EVERYBODY
        if invitee not in (SOMMER, HEK, SERVICE)
    }
    assert answers == {Refusal.NOT_REACHABLE if known else Refusal.TRY_LATER}


def test_while_reachability_is_unknown_only_hek_is_reached() -> None:
    assert plan_room(ERIKA, [SOMMER], HOUSE, UNHEARD) is Refusal.TRY_LATER
    assert plan_room(ERIKA, [HEK], HOUSE, UNHEARD) == RoomPlan(RoomKind.SUPPORT, ERIKA.user_id)
    assert plan_room(ERIKA, [SERVICE], HOUSE, UNHEARD) == RoomPlan(RoomKind.SERVICE, ERIKA.user_id)


@given(parties, st.lists(parties, max_size=3), st.booleans())
def test_no_planned_room_ever_brings_two_insured_people_together(
    creator: Party, invitees: list[Party], known: bool
) -> None:
    if isinstance(
        plan_room(creator, invitees, HOUSE, Circumstances(reachability_known=known, admitted=True)), RoomPlan
    ):
        members = [creator, *invitees]
        assert sum(member.kind is AccountKind.INSURED for member in members) <= 1
        assert all(member.live for member in members)
        assert AccountKind.ADMIN not in {member.kind for member in members}


def test_a_second_practice_is_not_invited() -> None:
    care = Room("!r:t", RoomKind.CARE, ERIKA.user_id)
    refused = check_invitation(ERIKA, SOMMER, care, HOUSE, replace(USUAL, practices=1))
    assert refused is Refusal.NOT_REACHABLE


@given(parties, rooms, st.booleans(), st.booleans())
def test_nobody_joins_uninvited_or_locked(user: Party, room: Room, invited: bool, second: bool) -> None:
    assert check_join(locked(user), room, HOUSE, is_invited=invited, second_insured=second) is Refusal.NO_RIGHTS
    assert check_join(user, None, HOUSE, is_invited=invited, second_insured=second) is not None
    assert check_join(user, room, HOUSE, is_invited=False, second_insured=second) is not None


def test_with_gematiks_exception_a_practice_brings_one_second_person_and_nobody_else_does() -> None:
    given_ = replace(USUAL, second_insured_by_practice=True, practices=1, insured_people=1)
    care = Room("!r:t", RoomKind.CARE, ERIKA.user_id)
    assert check_invitation(SOMMER, MAX, care, HOUSE, given_) is None
    assert check_invitation(SOMMER, MAX, care, HOUSE, replace(given_, insured_people=2)) is Refusal.NOT_REACHABLE
    assert check_invitation(SOMMER, MAX, care, HOUSE, replace(given_, admitted=False)) is Refusal.NOT_REACHABLE
    assert check_invitation(SOMMER, MAX, replace(care, kind=RoomKind.REQUEST), HOUSE, given_) is not None
    assert check_join(MAX, care, HOUSE, is_invited=True, second_insured=True) is None
    assert check_join(MAX, care, HOUSE, is_invited=True) is Refusal.NOT_INVITED
    for inviter in (ERIKA, MAX, BERG, HEK, ADMIN, NOBODY):
        assert check_invitation(inviter, MAX, care, HOUSE, given_) is not None


def test_from_another_server_practices_ask_insured_people_who_let_them() -> None:
    for inviter, invitee, admitted in product(EVERYBODY, EVERYBODY, (True, False)):
        allowed = check_invitation_from_elsewhere(inviter, invitee, admitted=admitted) is None
        assert allowed is (inviter in {SOMMER, WINTER} and invitee in {ERIKA, MAX} and admitted)


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
        return plan_room(creator, [invitee], HOUSE, BLOCKED)

    assert plan(ERIKA, SOMMER) is plan(WINTER, ERIKA) is Refusal.NOT_REACHABLE
    assert isinstance(plan(HEK, ERIKA), RoomPlan)
    assert isinstance(plan(SERVICE, ERIKA), RoomPlan)
    for room, inviter, invitee in product(ROOMS, EVERYBODY, EVERYBODY):
        refused = check_invitation(inviter, invitee, room, HOUSE, BLOCKED)
        in_heks_rooms = room.kind in {RoomKind.SUPPORT, RoomKind.SERVICE, RoomKind.TEAM}
        assert refused is not None or in_heks_rooms
