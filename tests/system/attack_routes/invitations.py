"""Alone: an insured person invites another one."""

from __future__ import annotations

from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import MEGOLM
from tests.system.attack_routes.people import Cast
from tests.system.attack_routes.table import Control, route


@route(Control.PERMITTED)
async def when_a_room_is_made(c: Cast) -> None:
    await c.opens(c.victim.user_id)


@route(Control.PERMITTED)
async def when_a_group_is_made(c: Cast) -> None:
    await c.opens(c.victim.user_id, preset="private_chat", is_direct=False)


@route(Control.PERMITTED)
async def by_the_old_interface(c: Cast) -> None:
    await c.opens(c.victim.user_id, prefix="/_matrix/client/r0")


@route(Control.PERMITTED)
async def by_the_oldest_interface(c: Cast) -> None:
    await c.opens(c.victim.user_id, prefix="/_matrix/client/api/v1")


@route(Control.PERMITTED)
async def with_a_type_of_gematiks(c: Cast) -> None:
    await c.opens(c.victim.user_id, creation_content={"type": "de.gematik.tim.roomtype.default.v1"})


@route(Control.BARE)
async def into_a_public_room(c: Cast) -> None:
    await c.opens(c.victim.user_id, preset="public_chat")


@route(Control.BARE)
async def into_a_room_in_clear(c: Cast) -> None:
    await c.opens(c.victim.user_id, initial_state=[])


@route(Control.BARE)
async def into_a_room_of_another_version(c: Cast) -> None:
    await c.opens(c.victim.user_id, room_version="11")


@route(Control.BARE)
async def as_a_further_creator(c: Cast) -> None:
    creators = {"additional_creators": [c.victim.user_id]}
    await c.opens(c.victim.user_id, room_version="12", creation_content=creators)


@route(Control.BARE)
async def into_a_space(c: Cast) -> None:
    await c.opens(c.victim.user_id, creation_content={"type": "m.space"}, initial_state=[])


@route(Control.BARE)
async def into_a_room_that_is_not_federated(c: Cast) -> None:
    await c.opens(c.victim.user_id, creation_content={"m.federate": False})


@route(Control.BARE)
async def beside_a_practice(c: Cast) -> None:
    practice = await c.practice()
    await c.opens(practice.user_id, c.victim.user_id)


@route(Control.BARE)
async def twice_the_same(c: Cast) -> None:
    await c.opens(c.victim.user_id, c.victim.user_id)


@route(Control.BARE)
async def with_other_powers(c: Cast) -> None:
    powers = {"users": {c.attacker.user_id: 100, c.victim.user_id: 100}, "invite": 0}
    await c.opens(c.victim.user_id, power_level_content_override=powers)


@route(Control.BARE)
async def into_a_room_with_nobody(c: Cast) -> None:
    await c.invites(await c.opens(), c.victim.user_id)


@route(Control.BARE)
async def into_a_request(c: Cast) -> None:
    await c.invites(await c.opens((await c.practice()).user_id), c.victim.user_id)


@route(Control.BARE)
async def into_a_chat(c: Cast) -> None:
    await c.invites(await c.chat_of(c.attacker, await c.practice()), c.victim.user_id)


@route(Control.BARE)
async def into_a_chat_with_a_reason(c: Cast) -> None:
    await c.invites(await c.chat_of(c.attacker, await c.practice()), c.victim.user_id, reason=c.marker)


@route(Control.BARE)
async def into_a_chat_that_the_practice_left(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.attacker, practice)
    await c.asks("POST", f"/rooms/{quote(room)}/leave", {}, who=practice)
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def into_a_request_that_was_declined(c: Cast) -> None:
    practice = await c.practice()
    room = await c.opens(practice.user_id)
    await c.asks("POST", f"/rooms/{quote(room)}/leave", {}, who=practice)
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def into_a_room_with_hek(c: Cast) -> None:
    support = await c.scene.support()
    room = await c.opens(support.user_id)
    await c.enters(support, room)
    await c.invites(room, c.victim.user_id)


@route(Control.BARE)
async def as_state_of_a_request(c: Cast) -> None:
    room = await c.opens((await c.practice()).user_id)
    await c.sets(room, "m.room.member", {"membership": "invite"}, key=c.victim.user_id)


@route(Control.BARE)
async def as_state_of_a_chat(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    await c.sets(room, "m.room.member", {"membership": "invite"}, key=c.victim.user_id)


@route(Control.BARE)
async def as_first_state(c: Cast) -> None:
    member = {"type": "m.room.member", "state_key": c.victim.user_id, "content": {"membership": "invite"}}
    practice = await c.practice()
    await c.opens(practice.user_id, initial_state=[MEGOLM, member])


@route(Control.BARE)
async def by_the_oldest_interface_into_a_chat(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    path = f"/rooms/{quote(room)}/invite"
    await c.asks("POST", path, {"user_id": c.victim.user_id}, prefix="/_matrix/client/api/v1")


@route(Control.BARE)
async def by_a_person_who_allows_everybody(c: Cast) -> None:
    """The one who is asked has said that everybody may ask her."""
    config = {"defaultSetting": "allow all"}
    path = f"/user/{quote(c.victim.user_id)}/account_data/de.gematik.tim.account.permissionconfig.epa.v1"
    await c.asks("PUT", path, config, who=c.victim)
    await c.opens(c.victim.user_id)
