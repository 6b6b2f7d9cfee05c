"""With Synapse's server notices, which an operator may have switched on: as a channel, and as a room between people."""

from __future__ import annotations

from urllib.parse import quote

from tests.system.attack_routes.people import Cast, rooms_of
from tests.system.attack_routes.table import Control, route

_NOTICE = "/v1/send_server_notice"


@route(Control.BARE)
async def passes_on_words(c: Cast) -> None:
    body = {"user_id": c.victim.user_id, "content": {"msgtype": "m.text", "body": c.marker}}
    await c.admin("POST", _NOTICE, body)


@route(Control.BARE)
async def passes_on_words_as_state(c: Cast) -> None:
    body = {"user_id": c.victim.user_id, "type": "m.room.topic", "state_key": "", "content": {"topic": c.marker}}
    await c.admin("POST", _NOTICE, body)


async def _room_of_a_notice(c: Cast) -> str:
    """The room in which the attacker is told something; otherwise her chat with a practice."""
    before = await rooms_of(c.scene, c.attacker)
    await c.admin("POST", _NOTICE, {"user_id": c.attacker.user_id, "content": {"msgtype": "m.text", "body": "x"}})
    new = await rooms_of(c.scene, c.attacker) - before
    return next(iter(new)) if new else await c.chat_of(c.attacker, await c.practice())


@route(Control.BARE)
async def becomes_a_room_between_the_two(c: Cast) -> None:
    """An administrator hands the room of notices over to the attacker."""
    room = await _room_of_a_notice(c)
    await c.enters(c.attacker, room)
    await c.admin("POST", f"/v1/rooms/{quote(room)}/make_room_admin", {"user_id": c.attacker.user_id})
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def is_sent_by_the_attacker_who_was_made_administrator(c: Cast) -> None:
    await c.admin("PUT", f"/v1/users/{quote(c.attacker.user_id)}/admin", {"admin": True})
    body = {"user_id": c.victim.user_id, "content": {"msgtype": "m.text", "body": c.marker}}
    await c.asks("POST", _NOTICE, body, prefix="/_synapse/admin")
