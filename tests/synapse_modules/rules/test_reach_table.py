"""Who may invite, join and remove whom in which kind of room: the rules a second time, as a table to read.

Each letter is an account: Erika, whose room it is; Max, another insured person; Sommer, a practice that insured people
may reach; Winter, one that did not opt in; Berg, an agent; Hek, the support account; the serVice account; an
Administrator; Nobody, an account without a kind. The code agrees with the table in every case; nobody who is locked
does anything that it allows.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.messages import check_message
from synapse_modules.rules.reach import Circumstances, House, Party, Room, check_invitation, check_join, check_removal

HOUSE = House("@hek:t", "@hek-service:t")
WHO = {
    "E": Party("@erika:t", AccountKind.INSURED, live=True),
    "M": Party("@max:t", AccountKind.INSURED, live=True),
    "S": Party("@sommer:t", AccountKind.PRACTICE, live=True, reachable=True),
    "W": Party("@winter:t", AccountKind.PRACTICE, live=True),
    "B": Party("@agent.berg:t", AccountKind.AGENT, live=True),
    "H": Party(HOUSE.support, AccountKind.SERVICE, live=True),
    "V": Party(HOUSE.service, AccountKind.SERVICE, live=True),
    "A": Party("@operator:t", AccountKind.ADMIN, live=True),
    "N": Party("@nobody:t", None, live=False),
}

# Who invites whom: "ES" reads "Erika invites Sommer".
INVITES = {
    #                  usually          a practice is there    the directory is silent  the invited side says no
    RoomKind.REQUEST: ("ES SE WE",      "SE WE",               "SE WE",                 ""),
    RoomKind.CARE:    ("ES SE WE",      "SE WE",               "SE WE",                 ""),
    RoomKind.SUPPORT: ("EH HE",         "EH HE",               "EH HE",                 "EH HE"),
    RoomKind.SERVICE: ("EV VE",         "EV VE",               "EV VE",                 "EV VE"),
    RoomKind.TEAM:    ("HB",            "HB",                  "HB",                    "HB"),
}  # fmt: skip
CIRCUMSTANCES = (
    Circumstances(reachability_known=True, admitted=True),
    Circumstances(reachability_known=True, admitted=True, practices=1, insured_people=1),
    Circumstances(reachability_known=False, admitted=True),
    Circumstances(reachability_known=True, admitted=False),
)
# With gematik's exception, a practice beside one insured person, in a care room, brings in a second one.
INVITES_WITH_A_SECOND = {
    kind: more + (" SM WM" if kind is RoomKind.CARE else "") for kind, (_, more, _, _) in INVITES.items()
}

#                      who joins when invited; with gematik's exception; who removes an invited one; a joined one
JOINS_AND_REMOVES = {
    RoomKind.REQUEST: ("E S W",             "E S W",                "E M S W B H V",         ""),
    RoomKind.CARE:    ("E S W",             "E M S W",              "E M S W B H V",         ""),
    RoomKind.SUPPORT: ("E H",               "E H",                  "E M S W B H V",         ""),
    RoomKind.SERVICE: ("E V",               "E V",                  "E M S W B H V",         ""),
    RoomKind.TEAM:    ("B H",               "B H",                  "H",                     "H"),
}  # fmt: skip

# Who writes ciphertext; whether somebody is a member, Synapse asks before.
WRITES = {
    RoomKind.REQUEST: "",
    RoomKind.CARE: "E M S W B H V",
    RoomKind.SUPPORT: "E M S W B H V",
    RoomKind.SERVICE: "E M S W B H V",
    RoomKind.TEAM: "E M S W B H V",
}
CIPHERTEXT = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "A" * 64}


def room(kind: RoomKind) -> Room:
    return Room("!r:t", kind, None if kind is RoomKind.TEAM else WHO["E"].user_id)


def test_the_tables_are_complete() -> None:
    for table in (INVITES, JOINS_AND_REMOVES, WRITES):
        assert set(table) == set(RoomKind)
    assert {party.kind for party in WHO.values()} == {*AccountKind, None}


@pytest.mark.parametrize("kind", RoomKind)
def test_who_invites_whom(kind: RoomKind) -> None:
    cases = [
        *zip(CIRCUMSTANCES, INVITES[kind], strict=True),
        (replace(CIRCUMSTANCES[1], second_insured_by_practice=True), INVITES_WITH_A_SECOND[kind]),
        (replace(CIRCUMSTANCES[1], second_insured_by_practice=True, insured_people=2), INVITES[kind][1]),
    ]
    for given, allowed in cases:
        for (a, inviter), (b, invitee) in product(WHO.items(), WHO.items()):
            told = check_invitation(inviter, invitee, room(kind), HOUSE, given)
            assert (told is None) is (a + b in allowed.split()), (a + b, given)
            assert check_invitation(replace(inviter, live=False), invitee, room(kind), HOUSE, given) is not None
            assert check_invitation(inviter, invitee, None, HOUSE, given) is not None


@pytest.mark.parametrize(("kind", "second", "invited"), list(product(RoomKind, (False, True), (False, True))))
def test_who_joins(kind: RoomKind, second: bool, invited: bool) -> None:
    allowed = JOINS_AND_REMOVES[kind][second].split() if invited else []
    for a, user in WHO.items():
        for live in {user.live, False}:
            told = check_join(replace(user, live=live), room(kind), HOUSE, is_invited=invited, second_insured=second)
            assert (told is None) is (live and a in allowed), a
        assert check_join(user, None, HOUSE, is_invited=invited, second_insured=second) is not None


@pytest.mark.parametrize(("kind", "invited", "ban"), list(product(RoomKind, (False, True), (False, True))))
def test_who_removes_somebody_else(kind: RoomKind, invited: bool, ban: bool) -> None:
    # A ban goes further than taking an invitation back.
    allowed = JOINS_AND_REMOVES[kind][2 if invited and not ban else 3].split()
    for a, user in WHO.items():
        for live in {user.live, False}:
            told = check_removal(replace(user, live=live), room(kind), HOUSE, is_invited=invited, is_ban=ban)
            assert (told is None) is (live and a in allowed), a
        assert check_removal(user, None, HOUSE, is_invited=invited, is_ban=ban) is not None


@pytest.mark.parametrize("kind", RoomKind)
def test_who_writes(kind: RoomKind) -> None:
    for a, user in WHO.items():
        told = check_message(user.kind, room(kind), "m.room.encrypted", CIPHERTEXT)
        assert (told is None) is (a in WRITES[kind].split()), a
        assert check_message(user.kind, room(kind), "m.room.message", {"body": "Guten Tag"}) is not None
        assert check_message(user.kind, None, "m.room.encrypted", CIPHERTEXT) is not None
