"""How often something may be done: token buckets, and what a refused caller is told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.http_service import new_application, new_runner
from messenger_core.rate_limits import Buckets, Rate, RateGuard, RateLimiter

_START = datetime(2026, 11, 1, 12, tzinfo=UTC)
_RATE = Rate(burst=3, per_minute=6)


def test_so_many_come_at_once_and_then_one_every_so_often() -> None:
    buckets = Buckets(_RATE)
    for _ in range(3):
        assert buckets.wait_s("a", 0) == 0
        buckets.take("a", 0)
    assert buckets.wait_s("a", 0) == pytest.approx(10)
    assert buckets.wait_s("a", 4) == pytest.approx(6)
    assert buckets.wait_s("a", 10) == 0
    assert buckets.wait_s("b", 0) == 0


def test_a_pause_fills_no_more_than_the_burst() -> None:
    buckets = Buckets(_RATE)
    buckets.take("a", 0)
    for _ in range(3):
        assert buckets.wait_s("a", 1e9) == 0
        buckets.take("a", 1e9)
    assert buckets.wait_s("a", 1e9) > 0


def test_there_are_never_more_buckets_than_so_many() -> None:
    buckets = Buckets(Rate(burst=1, per_minute=1), most=2)
    for key in ("a", "b", "c"):
        buckets.take(key, 0)
    assert [buckets.wait_s(key, 0) > 0 for key in ("a", "b", "c")] == [False, True, True]


@given(st.lists(st.floats(0, 600), max_size=60))
def test_in_no_time_more_pass_than_the_burst_and_the_rate_allow(moments: list[float]) -> None:
    limiter, passed = RateLimiter(by_address=_RATE), 0
    for moment in sorted(moments):
        passed += limiter.take(_START + timedelta(seconds=moment), address="a") == 0
    last = max(moments, default=0)
    assert passed <= _RATE.burst + last * _RATE.per_minute / 60 + 1e-6


def test_a_clock_that_is_set_back_fills_nothing() -> None:
    limiter = RateLimiter(by_address=Rate(burst=1, per_minute=60))
    assert limiter.take(_START, address="a") == 0
    assert limiter.take(_START - timedelta(days=1), address="a") > 0
    assert limiter.take(_START + timedelta(seconds=2), address="a") == 0


def test_what_one_address_does_too_often_takes_nothing_from_the_others() -> None:
    limiter = RateLimiter(by_address=_RATE, in_all=Rate(burst=10, per_minute=1))
    assert sum(limiter.take(_START, address="attacker") == 0 for _ in range(100)) == 3
    assert sum(limiter.take(_START, address=f"other {number}") == 0 for number in range(100)) == 7


def test_an_account_has_a_limit_of_its_own() -> None:
    limiter = RateLimiter(by_account=_RATE)
    assert [limiter.take(_START, account="erika") > 0 for _ in range(4)] == [False, False, False, True]
    assert limiter.take(_START, account="max") == 0
    assert limiter.take(_START) == 0


@pytest.fixture
async def url() -> AsyncIterator[str]:
    guard = RateGuard(RateLimiter(by_address=_RATE), lambda: _START)

    async def ask(request: web.Request) -> web.Response:
        guard.check(request)
        return web.json_response({})

    app = new_application()
    app.router.add_get("/ask", ask)
    runner = new_runner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{site.port}/ask"
    await runner.cleanup()


async def _statuses(url: str, count: int, headers: dict[str, str]) -> list[int]:
    async with aiohttp.ClientSession() as http:
        found = []
        for _ in range(count):
            async with http.get(url, headers=headers) as answer:
                found.append(answer.status)
        return found


async def test_a_refused_program_is_told_when_to_come_again(url: str) -> None:
    assert await _statuses(url, 3, {}) == [200] * 3
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        body = await answer.json(content_type=None)
        assert (answer.status, answer.headers["Retry-After"]) == (429, "10")
        assert (answer.content_type, body["type"]) == (
            "application/problem+json",
            "urn:hek-messenger:problem:too-many-requests",
        )


async def test_behind_a_trusted_proxy_each_address_has_its_own(url: str) -> None:
    for address in ("203.0.113.7", "203.0.113.8, 127.0.0.1", "2001:db8::1"):
        assert await _statuses(url, 4, {"X-Forwarded-For": address}) == [200, 200, 200, 429]
    assert await _statuses(url, 1, {"X-Forwarded-For": "2001:db8::ffff"}) == [429]
    assert await _statuses(url, 1, {"X-Forwarded-For": "198.51.100.1, 203.0.113.7"}) == [429]
