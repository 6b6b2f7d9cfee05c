"""Together: both insured people want to meet in a room that one of them made."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import MEGOLM
from tests.system.attack_routes.people import Cast
from tests.system.attack_routes.table import Control, Sign, route


def _rules(rule: str, **more: Any) -> dict[str, Any]:
    return {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": rule} | more}


@route(Control.BARE)
async def in_a_public_room(c: Cast) -> None:
    await c.enters(c.victim, await c.opens(preset="public_chat"))


@route(Control.BARE)
async def in_a_public_room_with_a_practice(c: Cast) -> None:
    await c.enters(c.victim, await c.opens((await c.practice()).user_id, preset="public_chat"))


@route(Control.BARE)
async def in_a_room_that_is_public_by_its_first_state(c: Cast) -> None:
    state = [MEGOLM, _rules("public")]
    await c.enters(c.victim, await c.opens((await c.practice()).user_id, initial_state=state))


@route(Control.BARE)
async def in_a_chat_that_is_opened_afterwards(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    await c.sets(room, "m.room.join_rules", {"join_rule": "public"})
    await c.enters(c.victim, room)


@route(Control.BARE)
async def by_a_knock(c: Cast) -> None:
    room = await c.opens((await c.practice()).user_id, initial_state=[MEGOLM, _rules("knock")])
    await c.asks("POST", f"/knock/{quote(room)}", {"reason": "x"}, who=c.victim)
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def by_a_knock_on_a_chat_that_is_opened_afterwards(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    await c.sets(room, "m.room.join_rules", {"join_rule": "knock"})
    await c.asks("POST", f"/knock/{quote(room)}", {}, who=c.victim)
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def by_being_in_another_room(c: Cast) -> None:
    """A restricted room lets members of another one in."""
    practice = await c.practice()
    hers = await c.chat_of(c.victim, practice)
    allow = [{"type": "m.room_membership", "room_id": hers}]
    room = await c.opens(practice.user_id, initial_state=[MEGOLM, _rules("restricted", allow=allow)])
    await c.enters(practice, room)
    await c.enters(c.victim, room)


@route(Control.BARE, aims=Sign.ROOM)
async def by_an_alias(c: Cast) -> None:
    alias = f"treff-{c.marker}"
    await c.opens(preset="public_chat", room_alias_name=alias)
    await c.enters(c.victim, f"#{alias}:{c.scene.server_name}")


@route(Control.BARE, aims=Sign.ROOM)
async def by_an_alias_that_is_set_afterwards(c: Cast) -> None:
    alias = f"#treff-{c.marker}:{c.scene.server_name}"
    room = await c.opens(preset="public_chat")
    await c.asks("PUT", f"/directory/room/{quote(alias)}", {"room_id": room})
    await c.enters(c.victim, alias)


@route(Control.BARE)
async def by_the_list_of_public_rooms(c: Cast) -> None:
    room = await c.opens(preset="public_chat")
    await c.asks("PUT", f"/directory/list/room/{quote(room)}", {"visibility": "public"})
    await c.enters(c.victim, room)


@route(Control.BARE)
async def in_a_room_that_takes_the_place_of_another(c: Cast) -> None:
    """The victim's client follows a tombstone from a chat with a practice."""
    practice = await c.practice()
    chat = await c.chat_of(c.victim, practice)
    room = await c.opens(preset="public_chat", creation_content={"predecessor": {"room_id": chat}})
    await c.sets(chat, "m.room.tombstone", {"body": "x", "replacement_room": room}, who=c.victim)
    await c.enters(c.victim, room)


@route(Control.BARE)
async def in_an_upgraded_room(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    _, answer = await c.asks("POST", f"/rooms/{quote(room)}/upgrade", {"new_version": "11"})
    new = str(answer.get("replacement_room", room))
    await c.sets(new, "m.room.join_rules", {"join_rule": "public"})
    await c.enters(c.victim, new)


@route(Control.BARE)
async def in_a_room_of_a_public_space(c: Cast) -> None:
    space = await c.opens(preset="public_chat", creation_content={"type": "m.space"}, initial_state=[])
    await c.enters(c.victim, space)


@route(Control.BARE)
async def by_the_old_way_to_join(c: Cast) -> None:
    room = await c.opens(preset="public_chat")
    await c.asks("POST", f"/rooms/{quote(room)}/join", {}, who=c.victim, prefix="/_matrix/client/r0")


@route(Control.BARE)
async def as_state_of_a_public_room(c: Cast) -> None:
    room = await c.opens(preset="public_chat")
    await c.sets(room, "m.room.member", {"membership": "join"}, key=c.victim.user_id, who=c.victim)
