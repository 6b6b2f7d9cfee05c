"""The scene itself: it federates over TLS, and a homeserver without the module takes what a hostile one sends."""

from __future__ import annotations

from urllib.parse import quote

from tests.clients.hostile_server import HostileServer
from tests.synapse_modules.federation import Federation, PracticesServer
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, SignedIn


async def _joined_hostile_room(
    practices: PracticesServer, hostile: HostileServer
) -> tuple[SignedIn, str, HostileServer]:
    """A practice of the bare server in a room that lies on the hostile one."""
    victim, attacker = await practices.new_practice(), hostile.against(practices.server_name)
    room = attacker.open_room(attacker.user("praxis"))
    status, answer = await room.invite(victim.user_id)
    assert status == 200, answer
    assert await practices.join(victim, room.room_id) == 200
    return victim, room.room_id, attacker


async def _timeline(practices: PracticesServer, who: SignedIn, room_id: str) -> list[str]:
    _, answer = await practices.call(who, "GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=50")
    return [event["event_id"] for event in answer["chunk"]]


async def test_an_invitation_a_join_and_messages_cross(federation: Federation) -> None:
    """Also clear text, which a bare homeserver shows."""
    practices = federation.practices
    victim, room_id, attacker = await _joined_hostile_room(practices, federation.hostile)
    room = attacker.rooms[room_id]
    sent = [
        (await room.send("m.room.encrypted", CIPHERTEXT))[0],
        (await room.send("m.room.message", {"msgtype": "m.text", "body": "clear"}))[0],
    ]
    await federation.ours.until_async(lambda: _all_shown(practices, victim, room_id, sent))
    assert (await practices.send(victim, room_id))[0] == 200
    await federation.ours.until(
        lambda: any(pdu["sender"] == victim.user_id for pdu in federation.hostile.received_pdus)
    )


async def _all_shown(practices: PracticesServer, who: SignedIn, room_id: str, sent: list[str]) -> bool:
    return set(sent) <= set(await _timeline(practices, who, room_id))


async def test_the_hostile_server_joins_as_the_protocol_has_it(federation: Federation) -> None:
    practices = federation.practices
    owner, attacker = await practices.new_practice(), federation.hostile.against(federation.practices.server_name)
    guest = attacker.user("guest")
    status, made = await practices.create_room(owner, guest)
    assert status == 200, made
    room = await attacker.join(made["room_id"], guest)
    sent = (await room.send("m.room.message", {"msgtype": "m.text", "body": "clear"}, sender=guest))[0]
    await federation.ours.until_async(lambda: _all_shown(practices, owner, room.room_id, [sent]))


async def test_a_request_whose_signature_is_another_servers_is_refused(federation: Federation) -> None:
    attacker = federation.hostile.against(federation.practices.server_name)
    path = "/_matrix/federation/v1/query/profile?user_id=%40nobody%3A127.0.0.3"
    assert (await attacker.request("GET", path, origin=federation.stranger.server_name))[0] == 401
    assert (await attacker.request("GET", path, signed=False))[0] == 401
