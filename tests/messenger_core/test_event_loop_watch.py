"""Whoever holds the event loop is seen."""

from __future__ import annotations

import asyncio
import time

from prometheus_client import CollectorRegistry, generate_latest

from messenger_core.event_loop_watch import EventLoopWatch


async def test_a_long_step_is_seen_once() -> None:
    async with EventLoopWatch().watching() as watch:
        await asyncio.sleep(0.05)
        time.sleep(0.3)  # noqa: ASYNC251 - what must not happen
        await asyncio.sleep(0.05)
        assert watch.begin_anew() >= 0.2
        await asyncio.sleep(0.02)
        assert watch.begin_anew() < 0.2


async def test_what_was_seen_is_told_as_figures() -> None:
    registry = CollectorRegistry()
    watch = EventLoopWatch()
    watch.add_to(registry)
    async with watch.watching():
        await asyncio.sleep(0.05)
        time.sleep(0.3)  # noqa: ASYNC251 - as above
        await asyncio.sleep(0.05)
    told = generate_latest(registry).decode()
    longest = next(line for line in told.splitlines() if line.startswith("hek_event_loop_longest_wait_seconds "))
    assert float(longest.split()[1]) >= 0.2
    assert 'hek_event_loop_wait_seconds_bucket{le="+Inf"}' in told


async def test_nobody_is_watched_after_the_end() -> None:
    watch = EventLoopWatch()
    async with watch.watching():
        await asyncio.sleep(0.02)
    watch.begin_anew()
    time.sleep(0.1)  # noqa: ASYNC251 - as above
    await asyncio.sleep(0.05)
    assert watch.longest_s == 0
