"""With an administrator's mistake: calls of Synapse's administration, and an insured person who was made one."""

from __future__ import annotations

from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import SignedIn
from tests.system.attack_routes.people import Cast, call
from tests.system.attack_routes.table import Control, route


@route(Control.BARE)
async def makes_the_victim_join(c: Cast) -> None:
    """Into a room whose doors the attacker opened."""
    room = await c.opens(preset="public_chat") or await c.chat_of(c.attacker, await c.practice())
    await c.admin("POST", f"/v1/join/{quote(room)}", {"user_id": c.victim.user_id})


@route(Control.BARE)
async def makes_the_attacker_join_the_victims_chat(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    operator = await c.scene.operator()
    await c.invites(room, operator.user_id, who=practice)
    await c.enters(operator, room)
    # An administrator who is inside invites and lets join in one call.
    path = f"/v1/join/{quote(room)}"
    await call(c.scene, operator, "POST", path, {"user_id": c.attacker.user_id}, prefix="/_synapse/admin")


@route(Control.BARE)
async def gives_the_attacker_power_in_the_victims_chat(c: Cast) -> None:
    room = await c.chat_of(c.victim, await c.practice())
    await c.admin("POST", f"/v1/rooms/{quote(room)}/make_room_admin", {"user_id": c.attacker.user_id})
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def gives_the_victim_power_in_the_attackers_chat(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    await c.admin("POST", f"/v1/rooms/{quote(room)}/make_room_admin", {"user_id": c.victim.user_id})


@route(Control.BARE)
async def makes_a_room_for_both(c: Cast) -> None:
    room = await c.opens(c.attacker.user_id, c.victim.user_id, who=await c.scene.operator())
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def opens_a_public_room(c: Cast) -> None:
    room = await c.opens(who=await c.scene.operator(), preset="public_chat")
    for who in (c.attacker, c.victim):
        await c.enters(who, room)


@route(Control.BARE)
async def goes_between(c: Cast) -> None:
    """He is let into the attacker's chat and invites the victim."""
    operator = await c.scene.operator()
    room = await c.chat_of(c.attacker, await c.practice())
    await c.invites(room, operator.user_id)
    await c.enters(operator, room)
    await c.invites(room, c.victim.user_id, who=operator)


async def _closes_the_victims_chat(c: Cast, version: str) -> None:
    room = await c.chat_of(c.victim, await c.practice())
    body = {"new_room_user_id": c.attacker.user_id, "message": c.marker, "room_name": c.marker, "purge": False}
    await c.admin("DELETE", f"/{version}/rooms/{quote(room)}", body)
    operator, path = await c.scene.operator(), f"/v2/rooms/{quote(room)}/delete_status"

    async def is_done() -> bool:
        _, answer = await call(c.scene, operator, "GET", path, prefix="/_synapse/admin")
        return all(one["status"] in {"complete", "failed"} for one in answer.get("results", []))

    await c.scene.federation.ours.until_async(is_done)


@route(Control.BARE)
async def moves_the_victims_chat_to_a_room_of_the_attackers(c: Cast) -> None:
    """Closing a room with a notice moves those of this server into a room that somebody else makes."""
    await _closes_the_victims_chat(c, "v1")


@route(Control.BARE)
async def moves_the_victims_chat_by_the_newer_call(c: Cast) -> None:
    await _closes_the_victims_chat(c, "v2")


@route(Control.BARE)
async def hands_out_a_token_of_the_victims(c: Cast) -> None:
    _, answer = await c.admin("POST", f"/v1/users/{quote(c.victim.user_id)}/login", {})
    stolen = SignedIn(c.victim.user_id, str(answer.get("access_token", "none")), "")
    await c.asks("GET", "/devices", who=stolen)


@route(Control.BARE)
async def gives_the_victim_a_name(c: Cast) -> None:
    await c.chat_of(c.victim, await c.practice())
    await c.admin("PUT", f"/v2/users/{quote(c.victim.user_id)}", {"displayname": c.marker})


async def _is_made_administrator(c: Cast) -> None:
    await c.admin("PUT", f"/v1/users/{quote(c.attacker.user_id)}/admin", {"admin": True})


@route(Control.BARE)
async def makes_the_attacker_one_who_makes_a_room(c: Cast) -> None:
    await _is_made_administrator(c)
    await c.opens(c.victim.user_id)


@route(Control.BARE)
async def makes_the_attacker_one_who_invites(c: Cast) -> None:
    """Synapse asks no module about the invitations of administrators."""
    await _is_made_administrator(c)
    await c.invites(await c.chat_of(c.attacker, await c.practice()), c.victim.user_id)


@route(Control.BARE)
async def makes_the_attacker_one_who_invites_by_state(c: Cast) -> None:
    await _is_made_administrator(c)
    room = await c.chat_of(c.attacker, await c.practice())
    await c.sets(room, "m.room.member", {"membership": "invite"}, key=c.victim.user_id)


@route(Control.BARE)
async def makes_the_attacker_one_who_makes_the_victim_join(c: Cast) -> None:
    await _is_made_administrator(c)
    room = await c.chat_of(c.attacker, await c.practice())
    body = {"user_id": c.victim.user_id}
    await c.asks("POST", f"/v1/join/{quote(room)}", body, prefix="/_synapse/admin")


@route(Control.BARE)
async def makes_the_attacker_one_who_opens_a_public_room(c: Cast) -> None:
    await _is_made_administrator(c)
    await c.enters(c.victim, await c.opens(preset="public_chat"))
