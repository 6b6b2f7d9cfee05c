"""Every local way into a chat against a real Synapse, what becomes of a request, and what is deleted there."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.synapse_modules.homeserver_under_test import OPERATOR, SUPPORT, Homeserver, SignedIn


async def _admin(
    homeserver: Homeserver, who: SignedIn, method: str, path: str, body: object
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {who.access_token}"}
    address = f"{homeserver.base}/_synapse/admin{path}"
    async with aiohttp.ClientSession(headers=headers) as http, http.request(method, address, json=body) as answer:
        return answer.status, await answer.json(content_type=None)


async def _rooms_of(homeserver: Homeserver, who: SignedIn, since: str = "") -> dict[str, Any]:
    _, answer = await homeserver.call(who, "GET", f"/sync?timeout=0{since and f'&since={since}'}")
    rooms: dict[str, Any] = answer.get("rooms", {})
    return rooms


def _is_refused(answer: tuple[int, dict[str, Any]]) -> bool:
    return answer[0] in {400, 403} and " / " in answer[1]["error"]


async def test_an_administrator_gets_nobody_into_a_chat(homeserver: Homeserver) -> None:
    person, _, _, room = await homeserver.care_room()
    other, operator = await homeserver.new_person("Max"), await homeserver.own_account(OPERATOR, "operator")
    path = f"/v1/join/{quote(room)}"
    for user_id in (other.user_id, OPERATOR, SUPPORT):
        assert _is_refused(await _admin(homeserver, operator, "POST", path, {"user_id": user_id}))
        assert (
            await _admin(homeserver, operator, "POST", f"/v1/rooms/{quote(room)}/make_room_admin", {"user_id": user_id})
        )[0] in {400, 403}
    assert _is_refused(await homeserver.call(operator, "POST", f"/join/{quote(room)}", {}))
    assert _is_refused(await homeserver.invite(operator, room, other.user_id))
    assert homeserver.rows("SELECT count(*) FROM room_memberships WHERE room_id = ?", room) == [(3,)]
    assert "invite" not in await _rooms_of(homeserver, other)
    # The control: whoever belongs there is let in.
    practice = await homeserver.new_practice("Praxis")
    _, made = await homeserver.create_room(person, practice.user_id)
    assert await homeserver.join(await homeserver.practice_device(practice), made["room_id"]) == 200


async def test_no_side_door_leads_into_a_chat(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    other = await homeserver.new_person("Max")
    member = f"/rooms/{quote(room)}/state/m.room.member/{quote(other.user_id)}"
    signed = {"sender": person.user_id, "mxid": other.user_id, "token": "t", "signatures": {"x": {"ed25519:0": "s"}}}
    third_party = {"id_server": "x", "id_access_token": "t", "medium": "email", "address": "max@example.org"}
    for answer in (
        await homeserver.call(other, "POST", f"/knock/{quote(room)}", {}),
        await homeserver.call(other, "POST", f"/join/{quote(room)}", {"third_party_signed": signed}),
        await homeserver.call(other, "POST", f"/rooms/{quote(room)}/join", {"reason": "Befund"}),
        await homeserver.call(person, "PUT", member, {"membership": "invite"}),
        await homeserver.call(device, "PUT", member, {"membership": "invite"}),
        await homeserver.call(person, "PUT", member, {"membership": "join"}),
        await homeserver.call(person, "POST", f"/rooms/{quote(room)}/invite", third_party),
        await homeserver.call(person, "POST", f"/rooms/{quote(room)}/upgrade", {"new_version": "10"}),
        await homeserver.call(person, "PUT", f"/directory/list/room/{quote(room)}", {"visibility": "public"}),
        await homeserver.call(person, "PUT", f"/directory/room/{quote('#x:hek.test')}", {"room_id": room}),
        await homeserver.call(person, "POST", f"/rooms/{quote(room)}/ban", {"user_id": device.user_id}),
        await homeserver.call(person, "POST", f"/rooms/{quote(room)}/kick", {"user_id": device.user_id}),
    ):
        assert _is_refused(answer), answer
    for event_type in ("m.room.tombstone", "m.space.child", "m.room.third_party_invite", "m.room.canonical_alias"):
        path = f"/rooms/{quote(room)}/state/{event_type}/x"
        assert _is_refused(await homeserver.call(person, "PUT", path, {"replacement_room": "!other:hek.test"}))
    assert homeserver.rows("SELECT count(*) FROM room_memberships WHERE room_id = ?", room) == [(3,)]


@pytest.mark.parametrize("membership", [5, None, [], {}, "unheard-of"])
async def test_a_malformed_membership_is_never_the_servers_fault(homeserver: Homeserver, membership: object) -> None:
    person, _, _, room = await homeserver.care_room()
    path = f"/rooms/{quote(room)}/state/m.room.member/{quote(person.user_id)}"
    assert (await homeserver.call(person, "PUT", path, {"membership": membership}))[0] == 400


async def test_public_rooms_are_not_even_asked_for(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    for method in ("GET", "POST"):
        answer = await homeserver.call(person, method, "/publicRooms", {} if method == "POST" else None)
        assert (answer[0], answer[1]["errcode"], _is_refused(answer)) == (403, "M_FORBIDDEN", True)


async def test_a_declined_request_is_seen_as_such_by_who_asked(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    _, made = await homeserver.create_room(person, practice.user_id)
    room = made["room_id"]
    assert room in (await _rooms_of(homeserver, device))["invite"]
    assert (await homeserver.call(device, "POST", f"/rooms/{quote(room)}/leave", {}))[0] == 200
    timeline = (await _rooms_of(homeserver, person))["join"][room]["timeline"]["events"]
    last = timeline[-1]
    assert (last["state_key"], last["content"]["membership"]) == (practice.user_id, "leave")
    assert (last["sender"], last["unsigned"]["prev_content"]["membership"]) == (practice.user_id, "invite")
    status, answer = await homeserver.send(person, room)
    assert (status, "abgelehnt" in answer["error"]) == (403, True)


@pytest.mark.parametrize("asks", ["person", "practice"])
async def test_who_leaves_an_unanswered_request_withdraws_it(homeserver: Homeserver, asks: str) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    asking, asked = (person, device) if asks == "person" else (device, person)
    _, made = await homeserver.create_room(asking, asked.user_id)
    room = made["room_id"]
    _, before = await homeserver.call(asked, "GET", "/sync?timeout=0")
    assert room in before["rooms"]["invite"]
    assert (await homeserver.call(asking, "POST", f"/rooms/{quote(room)}/leave", {}))[0] == 200
    rooms = await _rooms_of(homeserver, asked, before["next_batch"])
    assert room not in rooms.get("invite", {})
    [taken_back] = [one for one in rooms["leave"][room]["timeline"]["events"] if one.get("state_key") == asked.user_id]
    assert (taken_back["sender"], taken_back["content"]["membership"]) == (asking.user_id, "leave")
    assert await homeserver.join(asked, room) == 403


async def test_ones_own_message_is_deleted_for_both_and_the_encryption_never(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    _, sent = await homeserver.send(person, room)
    redact = f"/rooms/{quote(room)}/redact"
    assert (await homeserver.call(person, "PUT", f"{redact}/{quote(sent['event_id'])}/1", {}))[0] == 200
    timeline = (await _rooms_of(homeserver, device))["join"][room]["timeline"]["events"]
    [deleted] = [one for one in timeline if one["event_id"] == sent["event_id"]]
    assert deleted["content"] == {}
    assert deleted["unsigned"]["redacted_because"]["sender"] == person.user_id
    states = homeserver.rows("SELECT event_id FROM current_state_events WHERE room_id = ?", room)
    assert len(states) > 5
    for number, (event_id,) in enumerate(states):
        answer = await homeserver.call(person, "PUT", f"{redact}/{quote(event_id)}/s{number}", {})
        assert (answer[0], _is_refused(answer)) == (403, True)
    assert (await homeserver.state(device, room, "m.room.encryption"))["algorithm"] == "m.megolm.v1.aes-sha2"


async def test_gematiks_own_states_are_taken_without_their_words(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    named = {"type": "de.gematik.tim.room.name", "state_key": "", "content": {"name": "Rückenschmerzen"}}
    room_type = "de.gematik.tim.roomtype.default.v1"
    _, made = await homeserver.create_room(
        person, practice.user_id, creation_content={"type": room_type}, initial_state=[named]
    )
    room = made["room_id"]
    assert (await homeserver.state(person, room, "m.room.create"))["type"] == room_type
    assert await homeserver.state(person, room, "de.gematik.tim.room.name") == {"name": ""}
    path = f"/rooms/{quote(room)}/state/de.gematik.tim.room.topic"
    assert _is_refused(await homeserver.call(person, "PUT", path, {"topic": "Befund"}))
    assert (await homeserver.call(person, "PUT", path, {"topic": ""}))[0] == 200
