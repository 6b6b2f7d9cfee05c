"""In a room of a willing practice's hostile server: who was there before, whom it names, and what its members say."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from tests.clients.hostile_server import HostileRoom
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT
from tests.system.attack_routes.people import Cast, call, rooms_of
from tests.system.attack_routes.table import ELSEWHERE, Control, route

_NOWHERE = "nowhere.example"


def _practices_room(c: Cast) -> HostileRoom:
    return c.hostile.open_room(c.hostile.user(f"praxis-{secrets.token_hex(4)}"))


# -- A room that both were in before ----------------------------------------------------------------------------------


@route(Control.BARE, homes=ELSEWHERE)
async def was_there_and_left_before_the_victim_was_invited(c: Cast) -> None:
    room = _practices_room(c)
    room.add("m.room.member", {"membership": "invite"}, state_key=c.outsider)
    for membership in ("join", "leave"):
        room.take_from(c.home, "m.room.member", {"membership": membership}, sender=c.outsider, state_key=c.outsider)
    await room.invite(c.victim.user_id)


@route(Control.BARE, homes=ELSEWHERE)
async def was_thrown_out_before_the_victim_was_invited(c: Cast) -> None:
    room = _practices_room(c)
    for membership in ("invite", "ban"):
        room.add("m.room.member", {"membership": membership}, state_key=c.outsider)
    await room.invite(c.victim.user_id)


@route(Control.BARE)
async def was_asked_and_taken_back_before_the_victim_was_invited(c: Cast) -> None:
    """The attacker is of our own server, which never heard of it."""
    room = _practices_room(c)
    for membership in ("invite", "leave"):
        room.add("m.room.member", {"membership": membership}, state_key=c.attacker.user_id)
    await room.invite(c.victim.user_id)


@route(Control.BARE)
async def shows_words_that_were_asked_and_taken_back_before_the_victim_was_invited(c: Cast) -> None:
    room = _practices_room(c)
    for membership in ("invite", "leave"):
        room.add("m.room.member", {"membership": membership}, state_key=f"@{c.marker} says hello:{_NOWHERE}")
    await room.invite(c.victim.user_id)


# -- Whom it names ----------------------------------------------------------------------------------------------------


_NAMED: dict[str, Callable[[Cast], str]] = {
    "the attacker": lambda c: c.attacker.user_id,
    "the outsider": lambda c: c.outsider,
    "words": lambda c: f"@{c.marker} says hello:{_NOWHERE}",
}


def _names_by_membership(membership: str, named: str) -> None:
    @route(Control.BARE, name=f"names {named} by a {membership}")
    async def names(c: Cast) -> None:
        room = await c.hostile_chat()
        await room.send("m.room.member", {"membership": membership}, state_key=_NAMED[named](c))
        await c.settles(room)


def _names_by_power(named: str) -> None:
    @route(Control.BARE, name=f"names {named} by a level of power")
    async def names(c: Cast) -> None:
        room = await c.hostile_chat()
        await room.send("m.room.power_levels", _with_power(room, _NAMED[named](c)), state_key="")
        await c.settles(room)

    @route(Control.BARE, name=f"names {named} by a level of power before the victim comes")
    async def names_before(c: Cast) -> None:
        room = _practices_room(c)
        room.add("m.room.power_levels", _with_power(room, _NAMED[named](c)), state_key="")
        await room.invite(c.victim.user_id)

    @route(Control.BARE, name=f"names {named} by a level of power behind an event that it withholds")
    async def names_behind(c: Cast) -> None:
        room = await c.hostile_chat()
        hidden = room.add("m.room.power_levels", _with_power(room, _NAMED[named](c)), state_key="")
        c.scene.federation.hostile.withheld.add(hidden)
        room.add("m.room.encrypted", CIPHERTEXT)
        await c.settles(room)


def _with_power(room: HostileRoom, user_id: str) -> dict[str, Any]:
    levels = room.state_content("m.room.power_levels")
    return levels | {"users": levels["users"] | {user_id: 1}}


for _who in _NAMED:
    for _membership in ("leave", "ban"):
        _names_by_membership(_membership, _who)
    _names_by_power(_who)


@route(Control.BARE)
async def names_words_by_a_ban_behind_an_event_that_it_withholds(c: Cast) -> None:
    room = await c.hostile_chat()
    named = f"@{c.marker} says hello:{_NOWHERE}"
    hidden = room.add("m.room.member", {"membership": "ban"}, state_key=named)
    c.scene.federation.hostile.withheld.add(hidden)
    room.add("m.room.encrypted", CIPHERTEXT)
    await c.settles(room)


@route(Control.BARE)
async def names_words_by_an_invitation_to_an_unlisted_server(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.send("m.room.member", {"membership": "invite"}, state_key=f"@{c.marker}:{_NOWHERE}")
    await c.settles(room)


# -- What its members say ---------------------------------------------------------------------------------------------


@route(Control.BARE)
async def passes_on_words_beside_the_rule_for_guests(c: Cast) -> None:
    room = await c.hostile_chat()
    content = {"guest_access": "forbidden", "note": c.marker}
    await room.send("m.room.guest_access", content, state_key="")
    await c.settles(room)


@route(Control.BARE)
async def passes_on_words_as_the_reason_to_invite_a_colleague(c: Cast) -> None:
    room = await c.hostile_chat()
    content = {"membership": "invite", "reason": c.marker}
    await room.send("m.room.member", content, state_key=c.hostile.user("colleague"))
    await c.settles(room)


@route(Control.BARE)
async def passes_on_words_as_a_mark_of_an_invitation(c: Cast) -> None:
    room = _practices_room(c)
    await room.invite(c.victim.user_id, is_direct=c.marker)


@route(Control.BARE)
async def passes_on_words_as_its_picture(c: Cast) -> None:
    praxis = c.hostile.user(f"praxis-{secrets.token_hex(4)}")
    room = c.hostile.open_room(praxis)
    content = {"membership": "join", "displayname": "Praxis", "avatar_url": f"mxc://{_NOWHERE}/{c.marker}"}
    room.add("m.room.member", content, state_key=praxis)
    await room.invite(c.victim.user_id)


@route(Control.BARE)
async def passes_on_an_address_as_the_name_under_which_it_is_met(c: Cast) -> None:
    """No name, but what leads somewhere."""
    praxis = c.hostile.user(f"praxis-{secrets.token_hex(4)}")
    room = c.hostile.open_room(praxis)
    room.add("m.room.member", {"membership": "join", "displayname": f"https://{c.marker}"}, state_key=praxis)
    await room.invite(c.victim.user_id)


@route(
    Control.BARE,
    open_because="Somebody has to say who a practice is, and of another server's nobody but that server does: Synapse "
    "asks it even for the profile (synapse/handlers/profile.py, get_profile), its member event is all that a client "
    "shows, and the directory tells the homeserver addresses alone. So a name is bounded in its form, and kept: who is "
    "met under one cannot take another, nor have a picture or a reason.",
)
async def passes_on_words_as_the_name_under_which_it_is_met(c: Cast) -> None:
    praxis = c.hostile.user(f"praxis-{secrets.token_hex(4)}")
    room = c.hostile.open_room(praxis)
    room.add("m.room.member", {"membership": "join", "displayname": c.marker}, state_key=praxis)
    await room.invite(c.victim.user_id)


@route(
    Control.BARE,
    open_because="Which users a server has, it alone knows: whoever is to join must be invited before "
    "(synapse/event_auth.py, _is_membership_change_allowed), under an address that her server is free to choose, and "
    "nobody else can be asked whether there is such a user (synapse/handlers/profile.py, get_profile, asks it). "
    "So an address counts if its server is listed and it has the form of one (rules/federation_list.py).",
)
async def passes_on_words_as_the_address_of_a_colleague(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.send("m.room.member", {"membership": "invite"}, state_key=c.hostile.user(c.marker))
    await c.settles(room)


@route(Control.BARE)
async def passes_on_words_that_are_no_address_of_a_colleague(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.send("m.room.member", {"membership": "invite"}, state_key=c.hostile.user(f"{c.marker} says hello"))
    await c.settles(room)


# -- Past the invited side --------------------------------------------------------------------------------------------


@route(Control.BARE)
async def asks_again_past_the_victim_who_wants_no_invitations(c: Cast) -> None:
    """By a bare event; a practice of her own server is still there, so that the event reaches it."""
    room, practice = await c.hostile_chat(), await c.practice()
    await room.send("m.room.member", {"membership": "invite"}, state_key=practice.user_id)
    await c.settles(room)
    await c.enters(practice, room.room_id)
    await call(c.scene, c.victim, "POST", f"/rooms/{quote(room.room_id)}/leave", {})
    await c.scene.federation.ours.until(
        lambda: room.state_content("m.room.member", c.victim.user_id)["membership"] == "leave"
    )
    kind = "de.gematik.tim.account.permissionconfig.epa.v1"
    path = f"/user/{quote(c.victim.user_id)}/account_data/{kind}"
    await call(c.scene, c.victim, "PUT", path, {"defaultSetting": "block all"})
    await room.send("m.room.member", {"membership": "invite"}, state_key=c.victim.user_id)
    last, _ = await room.send("m.room.encrypted", CIPHERTEXT)

    async def is_through() -> bool:
        shown = f"/rooms/{quote(room.room_id)}/event/{quote(last)}"
        return (await call(c.scene, practice, "GET", shown))[0] == 200

    await c.scene.federation.ours.until_async(is_through, within_s=60)
    if room.room_id in await rooms_of(c.scene, c.victim):
        c.shown.append(c.marker)
