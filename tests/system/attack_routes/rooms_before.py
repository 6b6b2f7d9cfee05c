"""In a room that was there before: somebody left it, comes back, or reads what another one left behind."""

from __future__ import annotations

import time
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT
from tests.system.attack_routes.people import Cast, filled
from tests.system.attack_routes.table import Control, Sign, route


async def _leaves(c: Cast, who: str, room: str, *, forgets: bool = False) -> None:
    person = c.victim if who == "victim" else c.attacker
    await c.asks("POST", f"/rooms/{quote(room)}/leave", {}, who=person)
    if forgets:
        await c.asks("POST", f"/rooms/{quote(room)}/forget", {}, who=person)


@route(Control.BARE)
async def gets_the_victim_after_the_attacker_has_left(c: Cast) -> None:
    """She would find the attacker's name in it."""
    practice = await c.practice()
    room = await c.chat_of(c.attacker, practice)
    await _leaves(c, "attacker", room)
    await c.invites(room, c.victim.user_id, who=practice)


@route(Control.BARE)
async def gets_the_victim_after_the_attacker_has_forgotten_it(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.attacker, practice)
    await _leaves(c, "attacker", room, forgets=True)
    await c.invites(room, c.victim.user_id, who=practice)
    await c.enters(c.victim, room)
    await c.invites(room, c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def gets_both_back_by_invitations(c: Cast) -> None:
    """Both have been in it, one after the other; both are asked again."""
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await _leaves(c, "victim", room)
    for who in (c.attacker, c.victim):
        await c.invites(room, who.user_id, who=practice)
        await c.enters(who, room)


@route(Control.BARE)
async def is_entered_again_by_its_id(c: Cast) -> None:
    """Its doors stood open when the victim left."""
    room = await c.opens(preset="public_chat") or await c.chat_of(c.attacker, await c.practice())
    await c.enters(c.victim, room)
    await _leaves(c, "victim", room, forgets=True)
    await c.enters(c.victim, room)


@route(Control.BARE, aims=Sign.ROOM)
async def is_entered_again_by_an_old_alias(c: Cast) -> None:
    alias = f"#alt-{c.marker}:{c.scene.server_name}"
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.asks("PUT", f"/directory/room/{quote(alias)}", {"room_id": room}, who=c.victim)
    await c.sets(room, "m.room.join_rules", {"join_rule": "public"}, who=c.victim)
    await _leaves(c, "victim", room)
    for who in (c.attacker, c.victim):
        await c.enters(who, alias)


@route(Control.BARE)
async def gives_an_old_member_her_power_back(c: Cast) -> None:
    """The attacker made it; when the practice lets her in again she is as mighty as before."""
    practice = await c.practice()
    room = await c.chat_of(c.attacker, practice)
    await _leaves(c, "attacker", room)
    await c.invites(room, c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def gets_the_attacker_by_the_power_that_the_victim_left(c: Cast) -> None:
    """The practice, alone in the victim's old chat, invites and opens as it likes."""
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await _leaves(c, "victim", room)
    await c.sets(room, "m.room.join_rules", {"join_rule": "public"}, who=practice)
    await c.enters(c.attacker, room)
    await c.sends(room, "m.room.encrypted", CIPHERTEXT | {"ciphertext": c.marker})
    await c.enters(c.victim, room)


def _reads_what_was_left(name: str, path: str, *, prefix: str = "/_matrix/client/v3") -> None:
    """The victim left a chat, the practice lets the attacker in; ``{room}``, ``{message}``, ``{moment}`` are of it."""

    @route(Control.BARE, name=f"shows what the victim left by {name}", aims=Sign.TOLD)
    async def reads(c: Cast) -> None:
        practice = await c.practice()
        room = await c.chat_of(c.victim, practice)
        _, message = await c.victim_writes(room)
        moment = str(int(time.time() * 1000))
        await _leaves(c, "victim", room)
        await c.invites(room, c.attacker.user_id, who=practice)
        await c.enters(c.attacker, room)
        await c.asks("GET", filled(path, room=room, message=message, moment=moment), prefix=prefix)


_V1 = "/_matrix/client/v1"
_reads_what_was_left("its messages", "/rooms/{room}/messages?dir=b&limit=100")
_reads_what_was_left("what surrounds an event", "/rooms/{room}/context/{message}")
_reads_what_was_left("what answers an event", "/rooms/{room}/relations/{message}", prefix=_V1)
_reads_what_was_left("the event of a moment", "/rooms/{room}/timestamp_to_event?ts={moment}&dir=b", prefix=_V1)


@route(Control.BARE, aims=Sign.TOLD)
async def shows_what_the_victim_left_by_a_search(c: Cast) -> None:
    """Of a message in clear, since Synapse finds no others."""
    practice = await c.practice()
    room = await c.opens(practice.user_id, who=c.victim, initial_state=[])
    await c.enters(practice, room)
    secret = f"secret{c.marker}"
    await c.sends(room, "m.room.message", {"msgtype": "m.text", "body": secret}, who=c.victim)
    await _leaves(c, "victim", room)
    await c.invites(room, c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)
    c.answers.clear()
    c.secrets.add(secret)
    found = {"search_categories": {"room_events": {"search_term": secret, "keys": ["content.body"]}}}
    _, answer = await c.asks("POST", "/search", found)
    # The search repeats what was asked for.
    if not answer.get("search_categories", {}).get("room_events", {}).get("results"):
        c.answers.clear()
