"""Devices, keys and profiles against a real Synapse: open to those who share a room, closed to everybody else."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import quote

import pytest

from tests.synapse_modules.homeserver_under_test import SUPPORT, Homeserver, SignedIn

_TEXT = {"body": "Rückenschmerzen"}


async def _publish(homeserver: Homeserver, who: SignedIn) -> None:
    """Uploads keys; Synapse does not check what they are."""
    keys = {
        "algorithms": [],
        "user_id": who.user_id,
        "device_id": who.device_id,
        "keys": {f"curve25519:{who.device_id}": "A" * 43},
    }
    body = {
        "device_keys": keys | {"signatures": {}},
        "one_time_keys": {f"signed_curve25519:{number}": {"key": "A" * 43, "signatures": {}} for number in range(5)},
    }
    status, answer = await homeserver.call(who, "POST", "/keys/upload", body)
    assert status == 200, answer


async def _devices(homeserver: Homeserver, who: SignedIn, of: str) -> dict[str, Any]:
    status, answer = await homeserver.call(who, "POST", "/keys/query", {"device_keys": {of: []}})
    assert (status, answer["failures"]) == (200, {})
    devices: dict[str, Any] = answer["device_keys"][of]
    return devices


async def _claimed(homeserver: Homeserver, who: SignedIn, of: SignedIn) -> dict[str, Any]:
    wanted = {of.user_id: {of.device_id: "signed_curve25519"}}
    status, answer = await homeserver.call(who, "POST", "/keys/claim", {"one_time_keys": wanted})
    assert (status, answer["failures"]) == (200, {})
    claimed: dict[str, Any] = answer["one_time_keys"]
    return claimed


async def _send(homeserver: Homeserver, who: SignedIn, to: SignedIn, message_type: str, content: object) -> None:
    path = f"/sendToDevice/{message_type}/{secrets.token_hex(8)}"
    body = {"messages": {to.user_id: {to.device_id: content}}}
    assert (await homeserver.call(who, "PUT", path, body))[0] == 200


async def _received(homeserver: Homeserver, who: SignedIn) -> list[dict[str, Any]]:
    _, answer = await homeserver.call(who, "GET", "/sync?timeout=0")
    events: list[dict[str, Any]] = answer.get("to_device", {}).get("events", [])
    return events


async def test_without_a_common_room_nothing_of_a_person_is_there(homeserver: Homeserver) -> None:
    person, other = await homeserver.new_person(), await homeserver.new_person("Max")
    practice = await homeserver.practice_device(await homeserver.new_practice("Praxis"))
    operator = await homeserver.own_account("@operator:hek.test", "operator")
    await _publish(homeserver, person)
    for asking in (other, practice, operator):
        assert await _devices(homeserver, asking, person.user_id) == {}
        assert await _devices(homeserver, asking, "@nobody:hek.test") == {}
        assert await _claimed(homeserver, asking, person) == {}
        await _send(homeserver, asking, person, "m.room.encrypted", {"ciphertext": {}})
        answers = [
            await homeserver.call(asking, "GET", f"/profile/{quote(user_id)}{field}")
            for user_id in (person.user_id, "@nobody:hek.test")
            for field in ("", "/displayname", "/m.tz")
        ]
        assert {status for status, _ in answers} == {403}
        assert len({json.dumps(answer) for _, answer in answers}) == 1
    assert await _received(homeserver, person) == []


async def test_who_is_invited_is_in_a_common_room_and_who_left_is_not(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    for one in (person, device):
        await _publish(homeserver, one)
    _, made = await homeserver.create_room(person, practice.user_id)
    for asking, asked in ((person, device), (device, person)):
        assert list(await _devices(homeserver, asking, asked.user_id)) == [asked.device_id]
        assert asked.user_id in await _claimed(homeserver, asking, asked)
        assert (await homeserver.call(asking, "GET", f"/profile/{quote(asked.user_id)}"))[0] == 200
        await _send(homeserver, asking, asked, "m.room.encrypted", {"ciphertext": {}})
        assert [event["type"] for event in await _received(homeserver, asked)] == ["m.room.encrypted"]
    assert (await homeserver.call(device, "POST", f"/rooms/{quote(made['room_id'])}/leave", {}))[0] == 200
    for asking, asked in ((person, device), (device, person)):
        assert await _devices(homeserver, asking, asked.user_id) == {}
        assert await _claimed(homeserver, asking, asked) == {}
        assert (await homeserver.call(asking, "GET", f"/profile/{quote(asked.user_id)}"))[0] == 403


async def test_ones_own_devices_are_always_open(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    await _publish(homeserver, person)
    devices = await _devices(homeserver, person, person.user_id)
    assert list(devices) == [person.device_id]
    assert person.user_id in await _claimed(homeserver, person, person)
    await _send(homeserver, person, person, "m.anything", _TEXT)
    assert [event["content"] for event in await _received(homeserver, person)] == [_TEXT]
    assert (await homeserver.call(person, "GET", f"/profile/{quote(person.user_id)}"))[0] == 200
    signature = {"user_id": person.user_id, "device_id": person.device_id, "keys": {}, "signatures": {}}
    signed = {person.user_id: {person.device_id: signature}}
    status, answer = await homeserver.call(person, "POST", "/keys/signatures/upload", signed)
    assert status == 200, "Synapse itself looks at a signature of one's own device"
    assert list(answer["failures"]) == [person.user_id]


async def test_no_words_pass_from_device_to_device_and_no_names_of_devices(homeserver: Homeserver) -> None:
    person, device, _, _ = await homeserver.care_room()
    await _publish(homeserver, person)
    path = f"/devices/{person.device_id}"
    assert (await homeserver.call(person, "PUT", path, {"display_name": "Rückenschmerzen"}))[0] == 200
    [shown] = (await _devices(homeserver, device, person.user_id)).values()
    assert "unsigned" not in shown
    [own] = (await _devices(homeserver, person, person.user_id)).values()
    assert own["unsigned"]["device_display_name"] == "Rückenschmerzen"
    await _send(homeserver, person, device, "m.room.message", _TEXT)
    withheld = {"code": "m.unverified", "reason": "Befund", "note": "Befund"}
    await _send(homeserver, person, device, "m.room_key.withheld", withheld)
    assert [event["content"] for event in await _received(homeserver, device)] == [{"code": "m.unverified"}]


async def test_no_words_are_published_beside_keys(homeserver: Homeserver) -> None:
    person, device, _, _ = await homeserver.care_room()
    await _publish(homeserver, person)
    before = await _devices(homeserver, device, person.user_id)
    keys = {key: value for key, value in before[person.device_id].items() if key != "unsigned"}
    for body in (
        {"device_keys": keys | {"note": "Befund"}},
        {"device_keys": keys | {"algorithms": ["Mein Befund"]}},
        {"one_time_keys": {"signed_curve25519:9": {"key": "x", "signatures": {}, "note": "Befund"}}},
        {"fallback_keys": {"signed_curve25519:9": {"key": "Mein Befund", "signatures": {}}}},
    ):
        status, answer = await homeserver.call(person, "POST", "/keys/upload", body)
        assert (status, answer["errcode"]) == (400, "M_BAD_JSON")
    assert await _devices(homeserver, device, person.user_id) == before
    signing = {"user_id": person.user_id, "usage": ["master"], "keys": {"ed25519:x": "x"}, "note": "Befund"}
    status, answer = await homeserver.call(person, "POST", "/keys/device_signing/upload", {"master_key": signing})
    assert (status, answer["errcode"]) == (400, "M_BAD_JSON")


async def test_signatures_do_not_tell_who_is_there(homeserver: Homeserver) -> None:
    person, other = await homeserver.new_person(), await homeserver.new_person("Max")
    _, support = await homeserver.call(
        person,
        "POST",
        "/keys/signatures/upload",
        {user_id: {"X": {}} for user_id in (other.user_id, "@nobody:hek.test")},
    )
    failures = [json.dumps(one).replace(user_id, "") for user_id, one in support["failures"].items()]
    assert len(failures) == 2
    assert len(set(failures)) == 1
    assert SUPPORT not in support["failures"]


@pytest.mark.parametrize("field", ["m.tz", "de.hek.status", "avatar_url", "displayname"])
async def test_a_profile_holds_no_words_of_a_persons_own(homeserver: Homeserver, field: str) -> None:
    person = await homeserver.new_person()
    path = f"/profile/{quote(person.user_id)}/{field}"
    status, answer = await homeserver.call(person, "PUT", path, {field: "mxc://hek.test/befund"})
    assert (status, answer["errcode"], " / " in answer["error"]) == (403, "M_FORBIDDEN", True)
    _, profile = await homeserver.call(person, "GET", f"/profile/{quote(person.user_id)}")
    assert profile == {"displayname": "Erika Muster"}


@pytest.mark.parametrize(
    "messages",
    [[], {"@x:y": []}, {"@x:y": {"D": "text"}}, "text", {"not a user": {"D": {}}}],
)
async def test_malformed_messages_to_devices_are_never_the_servers_fault(
    homeserver: Homeserver, messages: object
) -> None:
    person = await homeserver.new_person()
    body = {"messages": messages if not isinstance(messages, dict) else {person.user_id: [], **messages}}
    status, answer = await homeserver.call(person, "PUT", "/sendToDevice/m.room.encrypted/1", body)
    assert (status, answer["errcode"]) == (400, "M_BAD_JSON")


@pytest.mark.parametrize("kind", ["m.read", "m.read.private"])
async def test_a_receipt_is_of_an_event_and_says_nothing(homeserver: Homeserver, kind: str) -> None:
    """Neither a made-up event, nor a thread, nor anything beside it reaches the other side."""
    person, device, _, room = await homeserver.care_room()
    _, sent = await homeserver.send(device, room)
    path = f"/rooms/{quote(room)}/receipt/{kind}/"
    attempts = [
        (quote("$words in clear", safe=""), {}),
        (quote(sent["event_id"], safe=""), {"thread_id": "words in clear"}),
        (quote(sent["event_id"], safe=""), {"thread_id": "$words in clear"}),
    ]
    for event_id, body in attempts:
        status, answer = await homeserver.call(person, "POST", path + event_id, body)
        assert status in {200, 400}, answer
    _, synced = await homeserver.call(device, "GET", f"/sync?timeout={secrets.randbelow(10**9)}")
    assert not synced["rooms"]["join"][room]["ephemeral"]["events"]
    status, _ = await homeserver.call(person, "POST", path + attempts[1][0], {"org.example": "words in clear"})
    assert status == 200
    _, synced = await homeserver.call(device, "GET", f"/sync?timeout={secrets.randbelow(10**9)}")
    assert "words in clear" not in str(synced)
    assert (person.user_id in str(synced["rooms"]["join"][room]["ephemeral"])) is (kind == "m.read")


async def test_typing_says_no_more_than_that(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    path = f"/rooms/{quote(room)}/typing/{person.user_id}"
    body = {"typing": True, "timeout": 30_000, "org.example": "words in clear"}
    assert (await homeserver.call(person, "PUT", path, body))[0] == 200
    _, synced = await homeserver.call(device, "GET", f"/sync?timeout={secrets.randbelow(10**9)}")
    [typing] = [event for event in synced["rooms"]["join"][room]["ephemeral"]["events"] if event["type"] == "m.typing"]
    assert typing["content"] == {"user_ids": [person.user_id]}
