"""What other servers answer to ours: of whatever it is, our people get the honest part, and never an error of ours."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pytest

from tests.clients.hostile_server import HostileRoom
from tests.synapse_modules.federation import Federation
from tests.synapse_modules.homeserver_under_test import SignedIn
from tests.synapse_modules.rules.test_device_keys import DEVICE
from tests.synapse_modules.test_federation_requests import device_keys


async def _person_with_a_chat(federation: Federation) -> tuple[SignedIn, SignedIn]:
    """A person, and a practice of hers with keys."""
    ours = federation.ours
    person = await ours.new_person()
    practice = await ours.practice_device(await ours.new_practice("Praxis"))
    assert (await ours.create_room(person, practice.user_id))[0] == 200
    assert (await ours.call(practice, "POST", "/keys/upload", {"device_keys": device_keys(practice)}))[0] == 200
    return person, practice


async def _invited(federation: Federation, person: SignedIn) -> HostileRoom:
    room = federation.hostile.open_room(federation.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    assert (await room.invite(person.user_id))[0] == 200
    return room


_ANSWERS: list[Any] = [
    {"device_keys": {"{user}": {"D": "text"}}},
    {"device_keys": {"{user}": []}},
    {"device_keys": {"{user}": "x"}},
    {"device_keys": {"{user}": {"D": {"unsigned": "x"}}}},
    {"device_keys": []},
    {"device_keys": {}, "master_keys": {"{user}": "x"}, "self_signing_keys": []},
    {"one_time_keys": {"{user}": "x"}},
    {"one_time_keys": {"{user}": {"PRAXIS": ["x"]}}},
    {"one_time_keys": []},
    {"user_id": "{user}", "stream_id": 1, "devices": [{"device_id": "D", "keys": "text"}, 7, {"device_id": []}]},
    {"user_id": "{user}", "stream_id": [], "devices": []},
    {"user_id": "{user}", "stream_id": 1, "devices": {}, "master_key": "x"},
    {},
    [],
    "text",
    None,
]


def _about(user_id: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {_about(user_id, key): _about(user_id, one) for key, one in value.items()}
    return value.replace("{user}", user_id) if isinstance(value, str) else value


@pytest.mark.parametrize("answer", _ANSWERS, ids=range(len(_ANSWERS)))
@pytest.mark.parametrize("is_member", [False, True], ids=["invited", "member"])
async def test_a_malformed_answer_takes_nobody_elses_keys_away(
    federation: Federation, answer: Any, is_member: bool
) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, practice = await _person_with_a_chat(federation)
    room = await _invited(federation, person)
    for what in ("query", "claim", "devices"):
        hostile.answers[what, room.creator] = _about(room.creator, answer)
    if is_member:
        assert await ours.join(person, room.room_id) == 200
    asked: dict[str, list[str]] = {room.creator: [], practice.user_id: []}
    status, queried = await ours.call(person, "POST", "/keys/query", {"device_keys": asked})
    assert (status, list(queried["device_keys"][practice.user_id])) == (200, [practice.device_id])
    assert queried["device_keys"][room.creator] == {}
    wanted = {room.creator: {"PRAXIS": "signed_curve25519"}}
    status, claimed = await ours.call(person, "POST", "/keys/claim", {"one_time_keys": wanted})
    assert (status, any(claimed["one_time_keys"].get(room.creator, {}).values())) == (200, False)


async def test_honest_keys_arrive_and_foreign_ones_do_not(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, _ = await _person_with_a_chat(federation)
    room = await _invited(federation, person)
    honest = DEVICE | {"user_id": room.creator, "signatures": {room.creator: {"ed25519:PRAXIS": "C" * 86}}}
    words = honest | {"device_id": "WORDS", "note": "words in clear"}
    hostile.answers["query", room.creator] = {"device_keys": {room.creator: {"PRAXIS": honest, "WORDS": words}}}
    _, queried = await ours.call(person, "POST", "/keys/query", {"device_keys": {room.creator: []}})
    assert queried["device_keys"][room.creator] == {"PRAXIS": honest}


async def test_why_another_server_does_not_answer_is_told_in_our_words(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, _ = await _person_with_a_chat(federation)
    room = await _invited(federation, person)
    hostile.reason = (418, "words in clear")
    try:
        _, queried = await ours.call(person, "POST", "/keys/query", {"device_keys": {room.creator: []}})
    finally:
        hostile.reason = None
    assert queried["failures"] == {hostile.server_name: {"status": 418, "message": "No answer"}}


_PROFILES: list[Any] = [
    {"displayname": "Praxis", "org.example.words": "words in clear", "avatar_url": "mxc://x/words"},
    {"displayname": ["words in clear"]},
    {"displayname": "words in clear" * 100},
]


@pytest.mark.parametrize("said", _PROFILES, ids=range(len(_PROFILES)))
async def test_of_a_profile_the_name_alone_is_shown(federation: Federation, said: Any) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, _ = await _person_with_a_chat(federation)
    room = await _invited(federation, person)
    hostile.answers["profile", room.creator] = said
    path = f"/profile/{quote(room.creator)}"
    status, shown = await ours.call(person, "GET", path)
    assert (status, shown) == (200, {"displayname": "Praxis"} if said == _PROFILES[0] else {})
    for field in ("displayname", "avatar_url", "org.example.words"):
        status, shown = await ours.call(person, "GET", f"{path}/{field}")
        assert (status, "words" in str(shown.get(field))) == (200, False)


@pytest.mark.parametrize("said", [["words in clear"], "words in clear", None], ids=range(3))
async def test_what_is_no_profile_is_no_answer(federation: Federation, said: Any) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, _ = await _person_with_a_chat(federation)
    room = await _invited(federation, person)
    hostile.answers["profile", room.creator] = said
    status, shown = await ours.call(person, "GET", f"/profile/{quote(room.creator)}")
    assert (status, "words" in str(shown)) == (502, False)


async def test_why_there_is_no_profile_is_told_in_our_words(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, _ = await _person_with_a_chat(federation)
    room = await _invited(federation, person)
    for status, shown in ((404, 404), (403, 403), (418, 502), (500, 502)):
        hostile.reason = (status, "words in clear")
        try:
            answer = await ours.call(person, "GET", f"/profile/{quote(room.creator)}")
        finally:
            hostile.reason = None
        assert answer[0] == shown
        assert "words in clear" not in str(answer)
