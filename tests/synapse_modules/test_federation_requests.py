"""Devices, keys, profiles and what is of the moment are closed to other servers without a common room."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

import pytest

from tests.synapse_modules.federation import Federation, sync
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, claims, new_kvnr

V1 = "/_matrix/federation/v1"


def device_keys(who: SignedIn) -> dict[str, Any]:
    keys = {f"curve25519:{who.device_id}": "A" * 43, f"ed25519:{who.device_id}": "B" * 43}
    return {
        "algorithms": ["m.olm.v1.curve25519-aes-sha2"],
        "device_id": who.device_id,
        "user_id": who.user_id,
        "keys": keys,
        "signatures": {who.user_id: {f"ed25519:{who.device_id}": "C" * 86}},
    }


async def with_keys(ours: Homeserver, kvnr: str | None = None) -> SignedIn:
    person = await ours.sign_in(claims(kvnr or new_kvnr()))
    one_time = {"signed_curve25519:AAAA": {"key": "D" * 43, "signatures": {}}}
    body = {"device_keys": device_keys(person), "one_time_keys": one_time}
    assert (await ours.call(person, "POST", "/keys/upload", body))[0] == 200
    return person


async def in_common(federation: Federation, person: SignedIn) -> str:
    """A room that a person made and invited the hostile server's practice into; its id."""
    practice = federation.hostile.user("praxis")
    await federation.ours.opt_in(practice, "Praxis")
    status, made = await federation.ours.create_room(person, practice)
    assert status == 200, made
    return str(made["room_id"])


@pytest.mark.parametrize("is_known", [False, True], ids=["no common room", "an invitation"])
async def test_keys_devices_and_profiles_are_for_those_with_a_common_room(
    federation: Federation, is_known: bool
) -> None:
    ours, hostile = federation.ours, federation.hostile
    person = await with_keys(ours)
    if is_known:
        await in_common(federation, person)
    _, queried = await hostile.request("POST", f"{V1}/user/keys/query", {"device_keys": {person.user_id: []}})
    wanted = {person.user_id: {person.device_id: "signed_curve25519"}}
    _, claimed = await hostile.request("POST", f"{V1}/user/keys/claim", {"one_time_keys": wanted})
    devices, _ = await hostile.request("GET", f"{V1}/user/devices/{quote(person.user_id, safe='')}")
    profile, shown = await hostile.request("GET", f"{V1}/query/profile?user_id={quote(person.user_id, safe='')}")
    assert bool(queried["device_keys"].get(person.user_id)) is is_known
    assert bool(claimed["one_time_keys"].get(person.user_id)) is is_known
    assert (devices, profile) == ((200, 200) if is_known else (403, 403))
    assert (shown.get("displayname") == "Erika Muster") is is_known


async def test_a_locked_person_has_neither_profile_nor_keys_for_a_server_that_only_was_invited(
    federation: Federation,
) -> None:
    ours, hostile, kvnr = federation.ours, federation.hostile, new_kvnr()
    person = await with_keys(ours, kvnr)
    await in_common(federation, person)
    ended = {"kvnr": kvnr, "on": "2026-01-01", "reason": "other"}
    assert (await ours.machine("core-system", "membership:write", "POST", "/v1/memberships/end", ended))[0] == 200
    _, queried = await hostile.request("POST", f"{V1}/user/keys/query", {"device_keys": {person.user_id: []}})
    assert not queried["device_keys"].get(person.user_id)
    asked = [
        await hostile.request("GET", f"{V1}/query/profile?user_id={quote(user_id, safe='')}")
        for user_id in (person.user_id, f"@nobody:{ours.server_name}")
    ]
    assert asked[0] == asked[1]
    assert asked[0][0] == 403


async def test_the_answer_is_the_same_for_somebody_who_does_not_exist(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    person = await with_keys(ours)
    for path in (f"{V1}/user/devices/", f"{V1}/query/profile?user_id="):
        answers = [
            await hostile.request("GET", path + quote(user_id, safe=""))
            for user_id in (person.user_id, f"@nobody:{ours.server_name}")
        ]
        assert answers[0] == answers[1]


@pytest.mark.parametrize("body", [{}, {"device_keys": 7}, {"one_time_keys": []}, {"one_time_keys": {"@a:b": 7}}])
async def test_a_malformed_question_is_answered_with_400(federation: Federation, body: dict[str, Any]) -> None:
    for what in ("query", "claim"):
        status, _ = await federation.hostile.request("POST", f"{V1}/user/keys/{what}", body)
        assert status == 400 or (what == "claim" and body == {"one_time_keys": {"@a:b": 7}} and status == 200)


async def test_rooms_have_no_public_names_for_other_servers(federation: Federation) -> None:
    alias = quote(f"#any:{federation.ours.server_name}", safe="")
    status, _ = await federation.hostile.request("GET", f"{V1}/query/directory?room_alias={alias}")
    assert status == 404


async def _to_devices(federation: Federation, person: SignedIn) -> list[str]:
    answer = await sync(federation.ours, person)
    return [event["type"] for event in answer.get("to_device", {}).get("events", [])]


def _message(federation: Federation, person: SignedIn, kind: str, **changed: Any) -> dict[str, Any]:
    content = {
        "sender": federation.hostile.user("praxis"),
        "type": kind,
        "message_id": secrets.token_hex(8),
        "messages": {person.user_id: {person.device_id: {"algorithm": "m.olm.v1.curve25519-aes-sha2"}}},
    }
    return {"edu_type": "m.direct_to_device", "content": content | changed}


async def test_messages_to_devices_come_from_those_with_a_common_room_and_carry_no_words(
    federation: Federation,
) -> None:
    ours, hostile = federation.ours, federation.hostile
    person = await ours.new_person()
    await hostile.transaction(edus=[_message(federation, person, "m.room.encrypted")])
    await in_common(federation, person)
    pretended = _message(federation, person, "m.room.encrypted", sender=federation.practices_user("somebody"))
    words = _message(federation, person, "org.example.words")
    assert (await hostile.transaction(edus=[pretended, words]))[0] == 200
    assert await _to_devices(federation, person) == []
    assert (await hostile.transaction(edus=[_message(federation, person, "m.room.encrypted")]))[0] == 200
    assert await _to_devices(federation, person) == ["m.room.encrypted"]


@pytest.mark.parametrize(
    "content",
    [{}, {"sender": 7}, {"sender": "@a:b", "type": "x", "messages": []}, {"messages": {"@a:b": None}}],
    ids=range(4),
)
@pytest.mark.parametrize("kind", ["m.direct_to_device", "m.typing", "m.receipt", "m.device_list_update"])
async def test_what_is_malformed_holds_up_nothing_else(
    federation: Federation, kind: str, content: dict[str, Any]
) -> None:
    if kind in {"m.typing", "m.device_list_update"}:
        content = content | {"room_id": "!a:b", "user_id": 7}
    status, answer = await federation.hostile.transaction(edus=[{"edu_type": kind, "content": content}])
    assert status == 200, answer


async def test_typing_receipts_and_presence_are_shown_of_members_alone(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    person = await ours.new_person()
    room = await hostile.join(await in_common(federation, person), hostile.user("praxis"))
    event_id = room.tips[0]

    def edus(localpart: str) -> list[dict[str, Any]]:
        user_id = hostile.user(localpart)
        receipt = {"m.read": {user_id: {"event_ids": [event_id], "data": {"ts": 1}}}}
        return [
            {"edu_type": "m.typing", "content": {"room_id": room.room_id, "user_id": user_id, "typing": True}},
            {"edu_type": "m.receipt", "content": {room.room_id: receipt}},
            {"edu_type": "m.presence", "content": {"push": [{"user_id": user_id, "presence": "online"}]}},
        ]

    assert (await hostile.transaction(edus=edus("stranger-to-the-room")))[0] == 200
    assert (await hostile.transaction(edus=edus("praxis")))[0] == 200
    await ours.until_async(lambda: _is_told_of(ours, person, room.room_id, hostile.user("praxis")))
    answer = await sync(ours, person)
    assert "stranger-to-the-room" not in str(answer)
    assert hostile.server_name not in str(answer.get("presence"))


async def _is_told_of(ours: Homeserver, person: SignedIn, room_id: str, user_id: str) -> bool:
    answer = await sync(ours, person)
    ephemeral = str(answer["rooms"]["join"][room_id]["ephemeral"])
    return "m.typing" in ephemeral and "m.receipt" in ephemeral and user_id in ephemeral
