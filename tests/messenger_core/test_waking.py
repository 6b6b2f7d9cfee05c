"""A wait for news ends with the news, with its time, or with a cancellation, whatever comes together."""

from __future__ import annotations

import asyncio

import pytest

from messenger_core.waking import woken


async def test_it_ends_with_the_news_or_with_its_time() -> None:
    event = asyncio.Event()
    assert not await woken(event, 0.01)
    event.set()
    assert await woken(event, 60)


async def test_a_cancellation_that_comes_with_the_news_is_not_lost() -> None:
    event = asyncio.Event()

    async def service() -> None:
        while True:
            event.clear()
            await woken(event, 60)

    for _ in range(20):
        task = asyncio.create_task(service())
        await asyncio.sleep(0)
        event.set()
        await asyncio.sleep(0)
        task.cancel()
        async with asyncio.timeout(30):
            with pytest.raises(asyncio.CancelledError):
                await task
