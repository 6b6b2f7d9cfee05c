"""Alone: an insured person reads a chat of another one, or writes into it, with its id and those of its events."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT
from tests.system.attack_routes.people import Cast
from tests.system.attack_routes.table import Control, route


def _reads(name: str, path: str, *, prefix: str = "/_matrix/client/v3") -> None:
    """A question; ``{room}``, ``{user}`` and ``{member}``, the victim's member event, stand for hers."""

    @route(Control.INSIDE, name=name)
    async def reads(c: Cast) -> None:
        room = await c.victims_chat()
        _, answer = await c.asks("GET", f"/rooms/{quote(room)}/messages?dir=b&limit=100", who=c.victim)
        c.answers.clear()
        member = next(one["event_id"] for one in answer["chunk"] if one.get("state_key") == c.victim.user_id)
        address = path.replace("{room}", quote(room, safe="")).replace("{member}", quote(member, safe=""))
        await c.asks("GET", address.replace("{user}", quote(c.victim.user_id, safe="")), prefix=prefix)


_reads("state", "/rooms/{room}/state")
_reads("state of one member", "/rooms/{room}/state/m.room.member/{user}")
_reads("members", "/rooms/{room}/members")
_reads("joined members", "/rooms/{room}/joined_members")
_reads("messages", "/rooms/{room}/messages?dir=b&limit=100")
_reads("messages from the beginning", "/rooms/{room}/messages?dir=f&limit=100")
_reads("event", "/rooms/{room}/event/{member}")
_reads("event and what surrounds it", "/rooms/{room}/context/{member}")
_reads("first synchronisation", "/rooms/{room}/initialSync", prefix="/_matrix/client/r0")
_reads("messages by the old interface", "/rooms/{room}/messages?dir=b&limit=100", prefix="/_matrix/client/r0")
_reads("messages by the oldest interface", "/rooms/{room}/messages?dir=b&limit=100", prefix="/_matrix/client/api/v1")
_reads("peek", "/events?room_id={room}&timeout=0&from=s0_0_0_0_0_0_0_0_0_0_0", prefix="/_matrix/client/r0")


def _writes(attempt: Callable[[Cast, str], Awaitable[object]]) -> None:
    @route(Control.INSIDE, name=attempt.__name__.strip("_"))
    async def writes(c: Cast) -> None:
        await attempt(c, await c.victims_chat())


async def _message(c: Cast, room: str) -> None:
    await c.sends(room, "m.room.encrypted", CIPHERTEXT | {"ciphertext": c.marker})


async def _message_by_the_old_interface(c: Cast, room: str) -> None:
    path = f"/rooms/{quote(room)}/send/m.room.encrypted/{secrets.token_hex(4)}"
    await c.asks("PUT", path, CIPHERTEXT | {"ciphertext": c.marker}, prefix="/_matrix/client/r0")


async def _message_without_transaction(c: Cast, room: str) -> None:
    body = CIPHERTEXT | {"ciphertext": c.marker}
    await c.asks("POST", f"/rooms/{quote(room)}/send/m.room.encrypted", body, prefix="/_matrix/client/api/v1")


for _attempt in (_message, _message_by_the_old_interface, _message_without_transaction):
    _writes(_attempt)
