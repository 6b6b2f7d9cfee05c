"""With an administrator's mistake: calls of Synapse's administration, and an insured person who was made one."""

from __future__ import annotations

from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, SignedIn
from tests.system.attack_routes.people import Cast, call, filled
from tests.system.attack_routes.table import Control, Sign, route


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


@route(Control.BARE, aims=Sign.TOLD)
async def hands_out_a_token_of_the_victims(c: Cast) -> None:
    _, answer = await c.admin("POST", f"/v1/users/{quote(c.victim.user_id)}/login", {})
    stolen = SignedIn(c.victim.user_id, str(answer.get("access_token", "none")), "")
    await c.asks("GET", "/devices", who=stolen)


@route(Control.BARE)
async def gives_the_victim_a_name(c: Cast) -> None:
    await c.chat_of(c.victim, await c.practice())
    await c.admin("PUT", f"/v2/users/{quote(c.victim.user_id)}", {"displayname": c.marker})


@route(Control.BARE)
async def gives_the_victim_a_picture(c: Cast) -> None:
    """Its address is words."""
    await c.chat_of(c.victim, await c.practice())
    await c.admin("PUT", f"/v2/users/{quote(c.victim.user_id)}", {"avatar_url": f"mxc://example/{c.marker}"})


@route(Control.BARE)
async def gives_the_victims_practice_a_name(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    await c.admin("PUT", f"/v2/users/{quote(practice.user_id)}", {"displayname": c.marker})


@route(Control.BARE)
async def gives_the_victims_practice_a_picture(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    await c.admin("PUT", f"/v2/users/{quote(practice.user_id)}", {"avatar_url": f"mxc://example/{c.marker}"})


@route(Control.BARE)
async def gives_the_victims_practice_a_field(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    key, address = "org.example.words", f"/profile/{quote(practice.user_id)}"
    await c.asks("PUT", f"{address}/{key}", {key: c.marker}, who=await c.scene.operator())
    await c.looks_up(address)


@route(Control.BARE)
async def deletes_what_the_practice_wrote_with_words(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.sends(room, "m.room.encrypted", CIPHERTEXT, who=practice)
    path, body = f"/v1/user/{quote(practice.user_id)}/redact", {"rooms": [room], "reason": c.marker}
    _, started = await c.admin("POST", path, body)

    async def is_done() -> bool:
        _, answer = await c.admin("GET", f"/v1/user/redact_status/{started.get('redact_id', '')}")
        return answer.get("status") not in {"active", "scheduled"}

    await c.scene.federation.ours.until_async(is_done)


@route(Control.BARE)
async def upgrades_the_attackers_chat(c: Cast) -> None:
    """He is let in, replaces the room and asks both into the new one."""
    operator, practice = await c.scene.operator(), await c.practice()
    room = await c.opens(operator.user_id, c.attacker.user_id, who=practice) or await c.chat_of(c.attacker, practice)
    await c.enters(operator, room)
    _, answer = await c.asks("POST", f"/rooms/{quote(room)}/upgrade", {"new_version": "11"}, who=operator)
    new = str(answer.get("replacement_room", room))
    for who in (c.attacker, c.victim):
        await c.invites(new, who.user_id, who=operator)
        await c.enters(who, new)


@route(Control.BARE)
async def takes_over_the_victims_chat(c: Cast) -> None:
    """He is made its master, lets himself in, and opens its doors to the attacker."""
    operator = await c.scene.operator()
    room = await c.chat_of(c.victim, await c.practice())
    await c.admin("POST", f"/v1/rooms/{quote(room)}/make_room_admin", {"user_id": operator.user_id})
    await c.enters(operator, room)
    await c.sets(room, "m.room.join_rules", {"join_rule": "public"}, who=operator)
    await c.invites(room, c.attacker.user_id, who=operator)
    await c.enters(c.attacker, room)


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


@route(Control.BARE)
async def makes_the_attacker_one_by_the_newer_call(c: Cast) -> None:
    await c.admin("PUT", f"/v2/users/{quote(c.attacker.user_id)}", {"admin": True})
    await c.opens(c.victim.user_id)


def _reads_as_one(name: str, path: str) -> None:
    """What she is shown then; ``{user}``, ``{room}`` and ``{event}`` are the victim's."""

    @route(Control.BARE, name=f"makes the attacker one who reads {name}", aims=Sign.TOLD)
    async def reads(c: Cast) -> None:
        room = await c.victims_chat()
        member, _ = await c.victim_writes(room)
        await _is_made_administrator(c)
        address = filled(path, user=c.victim.user_id, room=room, event=member)
        await c.asks("GET", address, prefix="/_synapse/admin")


_reads_as_one("the account", "/v2/users/{user}")
_reads_as_one("the list of accounts", "/v2/users?from=0&limit=1000&user_id={user}")
_reads_as_one("the devices", "/v2/users/{user}/devices")
_reads_as_one("the messages of a chat", "/v1/rooms/{room}/messages?dir=b&limit=100")
_reads_as_one("the state of a chat", "/v1/rooms/{room}/state")
_reads_as_one("what surrounds an event", "/v1/rooms/{room}/context/{event}")
_reads_as_one("an event", "/v1/fetch_event/{event}")
