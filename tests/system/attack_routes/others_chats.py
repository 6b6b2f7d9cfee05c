"""Alone: an insured person reads a chat of another one, or writes into it, with its id and those of its events."""

from __future__ import annotations

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT
from tests.system.attack_routes.people import Cast, filled
from tests.system.attack_routes.table import ELSEWHERE, Control, Sign, route

_V1 = "/_matrix/client/v1"


async def _filled(c: Cast, room: str, path: str, body: object) -> tuple[str, Any]:
    """Path and body of a question; ``{room}``, ``{user}``, ``{member}`` and ``{message}`` stand for the victim's."""
    member, message = await c.victim_writes(room)
    values = {"room": room, "user": c.victim.user_id, "member": member, "message": message}
    said = json.dumps(body)
    for name, value in values.items():
        said = said.replace(f"{{{name}}}", value)
    return filled(path, **values), json.loads(said)


def _reads(name: str, path: str, *, prefix: str = "/_matrix/client/v3", body: object = None) -> None:
    @route(Control.INSIDE, name=name, aims=Sign.TOLD)
    async def reads(c: Cast) -> None:
        address, said = await _filled(c, await c.victims_chat(), path, body)
        await c.asks("GET" if body is None else "POST", address, said, prefix=prefix)


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
_reads("what answers an event", "/rooms/{room}/relations/{message}", prefix=_V1)
_reads("threads", "/rooms/{room}/threads", prefix=_V1)
_reads("event of a moment", "/rooms/{room}/timestamp_to_event?ts=9999999999999&dir=b", prefix=_V1)
_SUBSCRIBED = {"required_state": [["*", "*"]], "timeline_limit": 20}
_reads(
    "subscription of a sliding synchronisation",
    "/org.matrix.simplified_msc3575/sync",
    prefix="/_matrix/client/unstable",
    body={"lists": {}, "room_subscriptions": {"{room}": _SUBSCRIBED}},
)
_reads("peek", "/events?room_id={room}&timeout=0&from=s0_0_0_0_0_0_0_0_0_0_0", prefix="/_matrix/client/r0")


def _fetches(name: str, method: str, path: str, body: object = None) -> None:
    """A question of another server's; the placeholders are those above."""

    @route(Control.LISTED_INSIDE, homes=ELSEWHERE, name=f"{name} from elsewhere", aims=Sign.TOLD)
    async def fetches(c: Cast) -> None:
        room = await c.victims_chat()
        address, said = await _filled(c, room, path, body)
        await c.remote(method, address, said)


_fetches("state", "GET", "/v1/state/{room}?event_id={message}")
_fetches("messages", "GET", "/v1/backfill/{room}?v={message}&limit=50")
_fetches("event", "GET", "/v1/event/{member}")
_fetches("what an event rests on", "GET", "/v1/event_auth/{room}/{message}")
_fetches("event of a moment", "GET", "/v1/timestamp_to_event/{room}?ts=9999999999999&dir=b")
_MISSED = {"earliest_events": [], "latest_events": ["{message}"], "limit": 20, "min_depth": 0}
_fetches("missed events", "POST", "/v1/get_missing_events/{room}", _MISSED)


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
