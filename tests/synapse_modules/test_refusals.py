"""Each refusal of the module: status and error code as a table, one line in two languages, no word about others."""

from __future__ import annotations

from http import HTTPStatus
from itertools import product
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from synapse.api.errors import Codes

from messenger_core.account_kinds import AccountKind, RoomKind
from messenger_core.catalogue import Catalogue
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.rules.reach import (
    Circumstances,
    House,
    Party,
    Refusal,
    Room,
    check_invitation,
    check_invitation_from_elsewhere,
    plan_room,
)
from synapse_modules.rules.room_form import FormFault
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, SUPPORT, Homeserver, claims, new_kvnr

_TEXTS = Catalogue.of("synapse_modules")
_FORBIDDEN = (HTTPStatus.FORBIDDEN, Codes.FORBIDDEN)
_LATER = (HTTPStatus.FORBIDDEN, "DE.HEK_TRY_LATER")
_BAD = (HTTPStatus.BAD_REQUEST, Codes.FORBIDDEN)
TABLE: dict[Refusal | FormFault, tuple[HTTPStatus, str]] = {
    Refusal.NO_RIGHTS: _FORBIDDEN,
    Refusal.ONE_INVITEE: _BAD,
    Refusal.NOT_REACHABLE: _FORBIDDEN,
    Refusal.TRY_LATER: _LATER,
    Refusal.NOT_INVITED: _FORBIDDEN,
    Refusal.NOT_REMOVABLE: _FORBIDDEN,
    Refusal.NOT_AS_IT_IS: _FORBIDDEN,
    Refusal.NOT_ACCEPTED_YET: _FORBIDDEN,
    Refusal.REQUEST_ENDED: _FORBIDDEN,
    Refusal.PRACTICE_GONE: _FORBIDDEN,
    Refusal.NOT_DELETABLE: _FORBIDDEN,
    Refusal.TOO_OLD_TO_DELETE: _FORBIDDEN,
    Refusal.NOT_ENCRYPTED: _FORBIDDEN,
    Refusal.FILE_NOT_ENCRYPTED: _FORBIDDEN,
    Refusal.NOT_ONE_EMOJI: (HTTPStatus.BAD_REQUEST, Codes.BAD_JSON),
    Refusal.STATE_FIXED: _FORBIDDEN,
    Refusal.NOT_LISTED: _FORBIDDEN,
    Refusal.PROFILE_FIXED: _FORBIDDEN,
    Refusal.NOT_AN_ADMINISTRATOR: _FORBIDDEN,
    Refusal.NOT_A_CHAT: _FORBIDDEN,
    Refusal.NO_ANSWER_FROM_THERE: _LATER,
    FormFault.NOT_READABLE: (HTTPStatus.BAD_REQUEST, Codes.BAD_JSON),
    FormFault.NOT_PRIVATE: _BAD,
    FormFault.WRONG_VERSION: (HTTPStatus.BAD_REQUEST, Codes.UNSUPPORTED_ROOM_VERSION),
    FormFault.WRONG_ENCRYPTION: _BAD,
    FormFault.UNKNOWN_STATE: _BAD,
    FormFault.SPECIAL_ROOM: _BAD,
}


def test_every_refusal_stands_in_the_table_and_has_a_text_of_its_own() -> None:
    assert TABLE.keys() == {*Refusal, *FormFault}
    errors = [Refusals(_TEXTS).error(refusal).msg for refusal in TABLE]
    assert len(set(errors)) == len(errors)


@pytest.mark.parametrize("refusal", TABLE, ids=lambda refusal: refusal.value)
def test_each_refusal_has_its_status_its_code_and_both_languages(refusal: Refusal | FormFault) -> None:
    error = Refusals(_TEXTS).error(refusal)
    assert (error.code, error.errcode) == TABLE[refusal]
    german, english = (_TEXTS.text(f"room-{refusal.value}", language) for language in ("de", "en"))
    assert error.msg == f"{german} / {english}"
    assert german != english
    for text in (german, english):
        assert text.endswith(".")
        assert "\n" not in text
    # Nobody is named, and nothing is said of what somebody is.
    assert not {"@", "{"} & set(error.msg)


_HOUSE = House("@hek:a", "@hek-service:a")
_PERSON = Party("@person:a", AccountKind.INSURED, live=True)
_PRACTICE = Party("@praxis:a", AccountKind.PRACTICE, live=True, reachable=True)
# Everybody whom nobody may reach: whatever they are, whether they are locked, and whether there is such a person.
_OUT_OF_REACH = [
    Party("@other:a", kind, live=live)
    for kind, live in product([None, *AccountKind], [True, False])
    if (kind, live) != (None, True)
]


@pytest.mark.parametrize("known", [True, False], ids=["directory known", "directory unknown"])
def test_a_person_is_told_the_same_of_everybody_whom_she_does_not_reach(known: bool) -> None:
    given = Circumstances(reachability_known=known, admitted=True)
    room = Room("!r", RoomKind.REQUEST, _PERSON.user_id)
    told: set[Any] = {plan_room(_PERSON, [other], _HOUSE, given) for other in _OUT_OF_REACH}
    told |= {check_invitation(_PERSON, other, room, _HOUSE, given) for other in _OUT_OF_REACH}
    assert told == {Refusal.NOT_REACHABLE if known else Refusal.TRY_LATER}


def test_no_refusal_makes_a_client_ask_again_by_itself() -> None:
    """Clients repeat for minutes what is answered with 429 or a fault of the server's, and make a room each time."""
    assert {status for status, _ in TABLE.values()} <= {HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN}
    assert not {code for _, code in TABLE.values()} & {Codes.LIMIT_EXCEEDED, Codes.RESOURCE_LIMIT_EXCEEDED}


def test_while_nothing_is_known_of_other_servers_a_practice_is_told_to_try_later() -> None:
    """Of everybody there; whom it reaches without asking anybody, it reaches."""
    unheard = Circumstances(reachability_known=False, admitted=True)
    room = Room("!r", RoomKind.CARE, _PERSON.user_id)
    strangers = [other for other in _OUT_OF_REACH if not other.may_act(AccountKind.INSURED)]
    told: set[Any] = {plan_room(_PRACTICE, [other], _HOUSE, unheard) for other in strangers}
    told |= {check_invitation(_PRACTICE, other, room, _HOUSE, unheard) for other in strangers}
    assert told == {Refusal.TRY_LATER}
    assert check_invitation(_PRACTICE, _PERSON, room, _HOUSE, unheard) is None


def test_a_practice_is_told_the_same_of_everybody_whom_it_does_not_reach() -> None:
    """A locked person and one who does not admit it among them."""
    out_of_reach = [other for other in _OUT_OF_REACH if not other.may_act(AccountKind.INSURED)]
    given = Circumstances(reachability_known=True, admitted=True)
    told: set[Any] = {plan_room(_PRACTICE, [other], _HOUSE, given) for other in out_of_reach}
    told |= {check_invitation_from_elsewhere(_PRACTICE, other, admitted=True) for other in out_of_reach}
    told.add(plan_room(_PRACTICE, [_PERSON], _HOUSE, Circumstances(reachability_known=True, admitted=False)))
    told.add(check_invitation_from_elsewhere(_PRACTICE, _PERSON, admitted=False))
    assert told == {Refusal.NOT_REACHABLE}


async def _locked(homeserver: Homeserver) -> str:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    ended = {"kvnr": kvnr, "on": "2026-01-01", "reason": "other"}
    assert (await homeserver.machine("core-system", "membership:write", "POST", "/v1/memberships/end", ended))[0] == 200
    return person.user_id


async def test_who_is_locked_who_is_insured_and_who_is_not_there_look_the_same(homeserver: Homeserver) -> None:
    """To a person and to a practice, in a new chat and in one that is."""
    person, device, _, room = await homeserver.care_room()
    locked, insured = await _locked(homeserver), (await homeserver.new_person("Max")).user_id
    nobody = "@nobody:hek.test"
    told = [
        answer
        for target in (locked, insured, nobody)
        for answer in (await homeserver.create_room(person, target), await homeserver.invite(person, room, target))
    ]
    # A practice may ask insured people; whom it cannot ask it is not told why.
    told += [await homeserver.create_room(device, target) for target in (locked, nobody)]
    told += [await homeserver.invite(device, room, target) for target in (locked, insured, nobody)]
    expected = {"errcode": "M_FORBIDDEN", "error": _TEXTS.line("room-not-reachable")}
    assert told == [(403, expected)] * len(told)
    seen = [await homeserver.call(person, "GET", f"/profile/{target}") for target in (locked, insured, nobody)]
    assert seen == [seen[0]] * 3
    assert seen[0][0] == 403


async def test_while_it_is_not_known_who_may_be_reached_everybody_is_told_to_try_later(
    homeserver: Homeserver,
) -> None:
    """In both languages and word for word; what runs goes on in both directions, and HEK is reached."""
    person, device, _, room = await homeserver.care_room()
    other = await homeserver.new_practice("Praxis")
    homeserver.change_row("UPDATE hek_reachability SET confirmed_at = 0")
    refused = [await homeserver.create_room(person, target) for target in (other.user_id, "@nobody:hek.test")]
    expected = {"errcode": "DE.HEK_TRY_LATER", "error": _TEXTS.line("room-try-later")}
    refused.append(await homeserver.invite(person, room, other.user_id))
    assert refused == [(403, expected)] * 3
    assert [(await homeserver.send(who, room))[0] for who in (person, device)] == [200, 200]
    assert (await homeserver.create_room(person, SUPPORT))[0] == 200
    await homeserver.new_practice("Praxis, die das Verzeichnis hören lässt")
    assert (await homeserver.create_room(person, other.user_id))[0] == 200


async def test_what_synapse_refuses_of_a_membership_is_told_in_our_words(homeserver: Homeserver) -> None:
    """Its own are English, and repeat the ids of the room and of the other side."""
    person, device, practice, room = await homeserver.care_room()
    other = await homeserver.new_person("Max")
    told = [
        await homeserver.invite(person, room, practice.user_id),
        await homeserver.invite(device, room, person.user_id),
        await homeserver.call(other, "POST", f"/rooms/{quote(room)}/leave", {}),
    ]
    expected = (403, {"errcode": "M_FORBIDDEN", "error": _TEXTS.line("room-not-as-it-is")})
    assert told == [expected] * 3


# docs/contracts.md names them, with the reason: Synapse refuses before it asks a module.
_CONTRACTS = Path(__file__).parents[2] / "docs" / "contracts.md"
_IN_ENGLISH = {
    "is not in the room": ("PUT", "/rooms/{room}/send/m.room.encrypted/1", CIPHERTEXT, 403, "M_FORBIDDEN"),
    "reads a room that she is not in": ("GET", "/rooms/{room}/messages?dir=b", None, 403, "M_FORBIDDEN"),
    "asks for an event that is not there": ("GET", "/rooms/{room}/event/$e", None, 404, "M_NOT_FOUND"),
    "joins a room of an unknown name": ("POST", "/join/%23name:hek.test", {}, 404, "M_NOT_FOUND"),
    "sees a profile without a common room": ("GET", "/profile/{user}", None, 403, "M_FORBIDDEN"),
    "asks for what is somebody else's": ("GET", "/user/{user}/account_data/m.direct", None, 403, "M_FORBIDDEN"),
    "asks as an administrator": ("GET", "/admin/whois/{user}", None, 403, "M_FORBIDDEN"),
}


@pytest.mark.parametrize("who", _IN_ENGLISH)
async def test_what_is_told_in_english_alone_is_told_by_synapse(homeserver: Homeserver, who: str) -> None:
    _, device, _, room = await homeserver.care_room()
    other = await homeserver.new_person("Max")
    method, path, body, status, errcode = _IN_ENGLISH[who]
    called = path.format(room=quote(room), user=quote(device.user_id))
    got, answer = await homeserver.call(other, method, called, body)
    assert (got, answer["errcode"], " / " in answer["error"]) == (status, errcode, False)
    assert f"| {who} |" in _CONTRACTS.read_text()
