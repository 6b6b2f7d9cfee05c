"""What the attacks are tried on: real processes with the shipped limits, each started when a row first needs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tests.system.conftest import Sandbox, start_sandbox, stop

_Scene = TypeVar("_Scene")
_Result = TypeVar("_Result")
_STOP_TIMEOUT_S = 120


class House:
    """The running scenes; each is started once and shared by all rows that ask for it."""

    def __init__(self, folder: Path) -> None:
        """Takes a folder in which each scene gets one of its own."""
        self._folder = folder
        self._closing = asyncio.Event()
        self._started: dict[object, asyncio.Future[Any]] = {}
        self._lives: list[asyncio.Task[None]] = []

    async def scene(self, start: Callable[[Path], AbstractAsyncContextManager[_Scene]]) -> _Scene:
        """The scene that ``start`` makes in an empty folder; ended together with the house.

        What a row changes in a scene must not matter to the others: it makes practices and people of its own.
        """
        if start not in self._started:
            self._started[start] = asyncio.get_running_loop().create_future()
            self._lives.append(asyncio.create_task(self._live(start, self._started[start])))
        scene: _Scene = await asyncio.shield(self._started[start])
        return scene

    async def _live(
        self, start: Callable[[Path], AbstractAsyncContextManager[_Scene]], started: asyncio.Future[_Scene]
    ) -> None:
        """Enters and leaves a scene in one task, as time-outs and groups of tasks inside it need."""
        folder = self._folder / f"scene-{len(self._started)}"
        folder.mkdir()
        try:
            async with start(folder) as scene:
                started.set_result(scene)
                await self._closing.wait()
        except BaseException as fault:
            if started.done():
                raise
            started.set_exception(fault)

    async def close(self) -> None:
        """Ends all scenes."""
        self._closing.set()
        await asyncio.gather(*self._lives)


@asynccontextmanager
async def sandbox(folder: Path) -> AsyncIterator[Sandbox]:
    """The whole system, as ``make run`` starts it."""
    process, running = await asyncio.to_thread(start_sandbox, folder)
    try:
        yield running
    finally:
        await asyncio.to_thread(stop, process)


class Runner:
    """Runs attempts on the one event loop that the scenes live on."""

    def __init__(self, house: House, loop: asyncio.AbstractEventLoop) -> None:
        self._house = house
        self._loop = loop

    def run(self, attempt: Callable[[House], Awaitable[_Result]], timeout_s: float) -> _Result:
        """Waits until an attempt is over."""

        async def attempted() -> _Result:
            return await attempt(self._house)

        return asyncio.run_coroutine_threadsafe(attempted(), self._loop).result(timeout_s)


@contextmanager
def open_house(folder: Path) -> Iterator[Runner]:
    """A house whose event loop has a thread of its own, so that tests come and go while the scenes stay."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="house", daemon=True)
    thread.start()
    house = House(folder)
    try:
        yield Runner(house, loop)
    finally:
        asyncio.run_coroutine_threadsafe(house.close(), loop).result(_STOP_TIMEOUT_S)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
