"""Kills the background tasks of a component one after the other, and sees what ``/health`` says meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection

import aiohttp
from aiohttp.test_utils import TestServer

from messenger_core.background import BackgroundTasks, RestartPolicy
from messenger_core.backoff import Backoff
from messenger_core.http_service import new_application

_MOST_S = 60.0
QUICK = RestartPolicy(Backoff(first_s=0.3, most_s=0.3), steady_s=0.3)
"""Begins anew almost at once; long enough for ``/health`` to be asked meanwhile."""


async def kill(name: str) -> None:
    """Ends a task by its name, as a fault that nobody thought of does."""
    [task] = [task for task in asyncio.all_tasks() if task.get_name() == name]
    task.cancel()
    await asyncio.wait([task])


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Waits, generously, until something holds."""
    async with asyncio.timeout(_MOST_S):
        while True:
            if await holds():
                return
            await asyncio.sleep(0.02)


async def check_each_is_supervised(
    tasks: BackgroundTasks, names: Collection[str], works: Callable[[], Awaitable[None]]
) -> None:
    """Each task is missed at ``/health`` while it is down, begins anew, and everything works again afterwards.

    Args:
        tasks: all of the component are started in them.
        names: the tasks that there must be.
        works: does what needs the component's tasks.
    """
    assert tasks.names == set(names)
    async with TestServer(new_application(tasks=tasks)) as server, aiohttp.ClientSession() as http:

        async def health() -> int:
            async with http.get(server.make_url("/health")) as answer:
                return answer.status

        async def is_well() -> bool:
            return await health() == 200

        await until(is_well)
        for name in sorted(names):
            before = tasks.failures[name]
            await kill(name)
            await asyncio.sleep(0)
            assert await health() == 503, name
            assert tasks.failures[name] == before + 1
            await until(is_well)
            await works()
