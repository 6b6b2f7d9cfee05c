"""Of the moment: presence, typing and receipts, which no room keeps."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.system.attack_routes.people import Cast
from tests.system.attack_routes.table import ELSEWHERE, Control, Sign, route


@route(Control.INSIDE, aims=Sign.MOMENT)
async def types_in_the_victims_chat(c: Cast) -> None:
    path = f"/rooms/{quote(await c.victims_chat())}/typing/{quote(c.attacker.user_id)}"
    await c.asks("PUT", path, {"typing": True, "timeout": 60_000})


@route(Control.INSIDE, aims=Sign.MOMENT)
async def reads_in_the_victims_chat(c: Cast) -> None:
    room = await c.victims_chat()
    _, message = await c.victim_writes(room)
    await c.asks("POST", f"/rooms/{quote(room)}/receipt/m.read/{quote(message)}", {})


@route(Control.INSIDE, aims=Sign.MOMENT)
async def marks_the_victims_chat_as_read(c: Cast) -> None:
    room = await c.victims_chat()
    _, message = await c.victim_writes(room)
    await c.asks("POST", f"/rooms/{quote(room)}/read_markers", {"m.read": message, "m.fully_read": message})


@route(Control.BARE)
async def practice_passes_on_words_as_its_presence(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    body = {"presence": "online", "status_msg": c.marker}
    await c.asks("PUT", f"/presence/{quote(practice.user_id)}/status", body, who=practice)


@route(Control.BARE)
async def practice_elsewhere_passes_on_words_as_its_presence(c: Cast) -> None:
    room = await c.hostile_chat()
    push = [{"user_id": room.creator, "presence": "online", "last_active_ago": 1, "status_msg": c.marker}]
    await c.hostile.transaction(edus=[{"edu_type": "m.presence", "content": {"push": push}}])
    await c.settles(room)


async def _tells(c: Cast, kind: str, content: dict[str, Any]) -> None:
    await c.home.transaction(edus=[{"edu_type": kind, "content": content}])


@route(Control.LISTED_INSIDE, homes=ELSEWHERE, aims=Sign.MOMENT)
async def types_from_elsewhere_in_the_victims_chat(c: Cast) -> None:
    await _tells(c, "m.typing", {"room_id": await c.victims_chat(), "user_id": c.outsider, "typing": True})


@route(Control.LISTED_INSIDE, homes=ELSEWHERE, aims=Sign.MOMENT)
async def reads_from_elsewhere_in_the_victims_chat(c: Cast) -> None:
    room = await c.victims_chat()
    _, message = await c.victim_writes(room)
    receipt = {c.outsider: {"event_ids": [message], "data": {"ts": 1}}}
    await _tells(c, "m.receipt", {room: {"m.read": receipt}})
