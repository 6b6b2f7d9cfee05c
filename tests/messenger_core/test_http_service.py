"""What every component's HTTP server answers by itself."""

from __future__ import annotations

import asyncio

import aiohttp
from aiohttp.test_utils import TestServer

from messenger_core.background import BackgroundTasks
from messenger_core.http_service import new_application


async def test_health_says_whether_the_component_can_work() -> None:
    async def broken() -> bool:
        raise RuntimeError("no database")

    async def away() -> bool:
        return False

    for check, status in ((None, 200), (broken, 503), (away, 503)):
        async with (
            TestServer(new_application(check)) as server,
            aiohttp.ClientSession() as http,
            http.get(server.make_url("/health")) as answer,
        ):
            assert answer.status == status


async def test_health_says_that_a_background_task_is_down() -> None:
    running = asyncio.Event()

    async def work() -> None:
        await running.wait()
        raise KeyError

    async with (
        BackgroundTasks() as tasks,
        TestServer(new_application(tasks=tasks)) as server,
        aiohttp.ClientSession() as http,
    ):
        tasks.start("feed", work)
        async with http.get(server.make_url("/health")) as answer:
            assert answer.status == 200
        running.set()
        await asyncio.sleep(0.05)
        async with http.get(server.make_url("/health")) as answer:
            assert answer.status == 503
