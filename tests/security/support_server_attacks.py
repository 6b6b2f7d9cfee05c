"""Attacks on the servers of the bot and of retention: heavy bodies and half requests, beside somebody who goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from messenger_core.http_service import TOKEN_PATH
from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.bystander import bystander
from tests.security.house import House, sandbox
from tests.security.raw_http import HalfRequests, RawAnswer, form_of_fields, gzip_of_zeros, nested_json, send

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_HALVES = 300


async def _health(base: str) -> None:
    answer = await send("GET", f"{base}/health")
    assert answer.status == 200, answer.status


async def _beside(component: Component, attack: Callable[[str], Awaitable[tuple[bool, str]]], house: House) -> Outcome:
    """Attacks a component's server while somebody asks for its health; whether it came to nothing, and how."""
    base = str((await house.scene(sandbox)).ready[component])
    async with bystander(partial(_health, base)) as somebody:
        stopped, said = await attack(base)
    return Outcome(stopped, True, said, somebody.longest_wait_ms)


def _refused(answers: list[RawAnswer], *statuses: int) -> tuple[bool, str]:
    got = sorted({answer.status for answer in answers})
    return set(got) <= {*statuses, 0}, f"statuses {got}"


async def _compressed(base: str) -> tuple[bool, str]:
    body = gzip_of_zeros(200 * 1024 * 1024)
    headers = {**_FORM, "Content-Encoding": "gzip"}
    return _refused([await send("POST", base + TOKEN_PATH, body, headers) for _ in range(3)], 404, 413, 415)


async def _many_fields(base: str) -> tuple[bool, str]:
    body = form_of_fields(1024 * 1024)
    return _refused([await send("POST", base + TOKEN_PATH, body, _FORM) for _ in range(3)], 400, 404, 413)


async def _large_and_deep(base: str) -> tuple[bool, str]:
    body = nested_json(500_000)
    answers = [await send("POST", f"{base}/v1/retention/erase", body, _JSON) for _ in range(3)]
    return _refused(answers, 400, 401, 404, 413)


async def _half_heads(base: str) -> tuple[bool, str]:
    halves = HalfRequests(base, b"GET /health HTTP/1.1\r\nHost: x\r\nX-Never: ")
    opened = await halves.open(_HALVES, source="127.0.0.9")
    try:
        for _ in range(60):
            if not (left := await halves.count_open()):
                break
            await asyncio.sleep(1)
        return left == 0, f"{opened} taken, {left} still open"
    finally:
        await halves.close()


_ATTEMPTS: tuple[tuple[str, Kind, str, Callable[[str], Awaitable[tuple[bool, str]]]], ...] = (
    ("200 MB of zeros in a compressed body", Kind.HEAVY_BODY, "nothing compressed is read", _compressed),
    ("half a million form fields", Kind.HEAVY_BODY, "64 KiB where nobody is signed in, 200 fields", _many_fields),
    ("half a million levels of JSON", Kind.HEAVY_BODY, "64 KiB, and a token before the body is read", _large_and_deep),
    ("300 heads that never end", Kind.HALF_REQUEST, "10 s for a head, 100 connections of one address", _half_heads),
)
ATTACKS = tuple(
    Attack(f"{name}: {component}", component, kind, limit, "nothing", partial(_beside, component, attempt))
    for name, kind, limit, attempt in _ATTEMPTS
    for component in (Component.BOT, Component.RETENTION)
)
