"""Calls to a homeserver that limits, stalls or never answers: each of them ends, and may be tried again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from messenger_core.matrix import homeserver_calls
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls


class Unwilling:
    """A homeserver that limits as often as a test says, or answers nothing, or half an answer."""

    def __init__(self) -> None:
        self.limits: list[Mapping[str, object]] = []
        self.silent = False
        self.half = False
        self.asked = 0
        self._end = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        if self.half:
            begun = web.StreamResponse(headers={"Content-Length": "100"})
            await begun.prepare(request)
            await begun.write(b'{"taken": ')
        if self.half or self.silent:
            await self._end.wait()
        if self.limits:
            return web.json_response({"errcode": "M_LIMIT_EXCEEDED", **self.limits.pop()}, status=429)
        return web.json_response({"taken": True})

    def end(self) -> None:
        self._end.set()


@pytest.fixture
async def unwilling() -> Unwilling:
    return Unwilling()


@pytest.fixture
async def calls(unwilling: Unwilling) -> AsyncIterator[HomeserverCalls]:
    async def token(_device_id: str) -> str:
        return "a token"

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", unwilling.answer)
    async with TestServer(app, host="127.0.0.1") as server:
        calls = HomeserverCalls(str(server.make_url("")).rstrip("/"), "@service:x", "DEVICE", token, dict)
        await calls.connect()
        yield calls
        await calls.close()
        unwilling.end()


@pytest.mark.parametrize("limit", [{"retry_after_ms": 10}, {"retry_after_ms": "soon"}, {}])
async def test_row_20_a_limit_is_waited_out(
    unwilling: Unwilling, calls: HomeserverCalls, limit: dict[str, object]
) -> None:
    unwilling.limits = [limit, limit]
    assert await calls.put("/anything", {}) == {"taken": True}
    assert unwilling.asked == 3


async def test_row_20_a_limit_without_end_ends_as_an_outage(
    unwilling: Unwilling, calls: HomeserverCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homeserver_calls, "_PATIENCE_WITH_LIMITS_S", 0.5)
    unwilling.limits = [{"retry_after_ms": 200}] * 1000
    async with asyncio.timeout(60):
        with pytest.raises(SendFailed, match="M_LIMIT_EXCEEDED") as refusal:
            await calls.put("/anything", {})
    assert (refusal.value.status, refusal.value.outage) == (429, True)
    assert 1 < unwilling.asked < 10


async def test_row_20_no_limit_is_waited_for_longer_than_we_want(
    unwilling: Unwilling, calls: HomeserverCalls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homeserver_calls, "_PATIENCE_WITH_LIMITS_S", 0.2)
    unwilling.limits = [{"retry_after_ms": 24 * 60 * 60 * 1000}]
    async with asyncio.timeout(60):
        assert await calls.put("/anything", {}) == {"taken": True}


@pytest.mark.parametrize("half", [False, True])
async def test_row_20_an_answer_that_does_not_come_or_does_not_end_is_an_outage(
    unwilling: Unwilling, calls: HomeserverCalls, half: bool
) -> None:
    unwilling.silent, unwilling.half = True, half
    async with asyncio.timeout(60):
        with pytest.raises(SendFailed, match="could not be asked") as fault:
            await calls.get("/anything", timeout_s=0.3)
    assert fault.value.outage
    assert unwilling.asked == 1


def test_row_20_every_call_has_a_time_limit_without_being_told_one() -> None:
    found = vars(HomeserverCalls).items()
    limits = {name: call.__kwdefaults__["timeout_s"] for name, call in found if _takes_a_limit(call)}
    assert limits.keys() >= {"get", "get_list", "put", "post"}
    assert all(0 < limit <= 60 for limit in limits.values())


def _takes_a_limit(call: object) -> bool:
    return "timeout_s" in (getattr(call, "__kwdefaults__", None) or {})


@pytest.mark.parametrize("method", ["get_list", "put", "post"])
async def test_row_20_the_time_limit_of_every_call_is_kept(
    unwilling: Unwilling, calls: HomeserverCalls, method: str
) -> None:
    bodies: list[dict[str, str]] = [{}] if method in {"put", "post"} else []
    unwilling.silent = True
    async with asyncio.timeout(60):
        with pytest.raises(SendFailed, match="could not be asked"):
            await getattr(calls, method)("/anything", *bodies, timeout_s=0.3)
