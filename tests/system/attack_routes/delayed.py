"""Later: what may not be done now is scheduled as a delayed event (MSC4140), by an insured person or by a practice."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, SignedIn
from tests.system.attack_routes.people import Cast, call
from tests.system.attack_routes.table import Control, route

_UNSTABLE = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"


async def _schedules(
    c: Cast,
    room: str,
    kind: str,
    content: Mapping[str, Any],
    *,
    key: str | None = None,
    who: SignedIn | None = None,
    delay_ms: int = 3_600_000,
) -> str:
    """Schedules an event; its delay id, or nothing if that is refused."""
    where = f"send/{kind}/{secrets.token_hex(8)}" if key is None else f"state/{kind}/{quote(key, safe='')}"
    path = f"/rooms/{quote(room)}/{where}?org.matrix.msc4140.delay={delay_ms}"
    _, answer = await c.asks("PUT", path, content, who=who)
    return str(answer.get("delay_id", ""))


async def _comes_now(c: Cast, delay_id: str, *, who: SignedIn | None = None) -> None:
    """Has a scheduled event sent at once; whoever knows its id may, with a token or without."""
    await call(c.scene, who, "POST", f"/{delay_id}/send", {}, prefix=_UNSTABLE)


async def _does_later(
    c: Cast, room: str, kind: str, content: Mapping[str, Any], *, key: str | None = None, who: SignedIn | None = None
) -> None:
    await _comes_now(c, await _schedules(c, room, kind, content, key=key, who=who), who=who or c.attacker)


_INVITED = {"membership": "invite"}


@route(Control.BARE)
async def invites(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    await _does_later(c, room, "m.room.member", _INVITED, key=c.victim.user_id)


@route(Control.BARE)
async def invites_and_has_it_sent_by_nobody(c: Cast) -> None:
    """Without a token."""
    room = await c.chat_of(c.attacker, await c.practice())
    await _comes_now(c, await _schedules(c, room, "m.room.member", _INVITED, key=c.victim.user_id))


@route(Control.BARE)
async def invites_when_its_time_has_come(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    delay_id = await _schedules(c, room, "m.room.member", _INVITED, key=c.victim.user_id, delay_ms=1)
    is_waiting = "SELECT 1 FROM delayed_events WHERE delay_id = ?"
    await c.scene.federation.ours.until(lambda: not c.scene.rows(is_waiting, delay_id))


@route(Control.BARE)
async def opens_the_doors_of_a_chat(c: Cast) -> None:
    room = await c.chat_of(c.attacker, await c.practice())
    await _does_later(c, room, "m.room.join_rules", {"join_rule": "public"}, key="")
    await c.enters(c.victim, room)


@route(Control.BARE)
async def has_the_victim_join_later(c: Cast) -> None:
    """Both want to; she schedules her own membership in a room whose doors the attacker opened."""
    room = await c.opens(preset="public_chat") or await c.chat_of(c.attacker, await c.practice())
    await _does_later(c, room, "m.room.member", {"membership": "join"}, key=c.victim.user_id, who=c.victim)


@route(Control.INSIDE)
async def writes_into_the_victims_chat(c: Cast) -> None:
    await _does_later(c, await c.victims_chat(), "m.room.encrypted", CIPHERTEXT | {"ciphertext": c.marker})


@route(Control.BARE)
async def is_invited_by_the_practice_of_the_victims_chat(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await _does_later(c, room, "m.room.member", _INVITED, key=c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)


def _practice_passes_on(name: str, kind: str, content: Mapping[str, Any], key: str | None = None) -> None:
    """What the practice of the victim's chat schedules there; ``{words}`` are the attacker's, ``{practice}`` itself."""

    @route(Control.BARE, name=f"practice passes on words as {name}")
    async def passes_on(c: Cast) -> None:
        practice = await c.practice()
        room = await c.chat_of(c.victim, practice)
        worded = {one: c.marker if value == "{words}" else value for one, value in content.items()}
        state_key = practice.user_id if key == "{practice}" else key
        await _does_later(c, room, kind, worded, key=state_key, who=practice)


_practice_passes_on("a message", "m.room.message", {"msgtype": "m.text", "body": "{words}"})
_practice_passes_on("a key beside the ciphertext", "m.room.encrypted", CIPHERTEXT | {"body": "{words}"})
_practice_passes_on("a state of its own", "org.example.words", {"body": "{words}"}, "")
_practice_passes_on("its name", "m.room.member", {"membership": "join", "displayname": "{words}"}, "{practice}")
_practice_passes_on("its reason to leave", "m.room.member", {"membership": "leave", "reason": "{words}"}, "{practice}")
