"""Somebody else, who goes on using a service while it is attacked, and how long she waits."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

_PAUSE_S = 0.02


class Bystander:
    """Asks one honest request after another.

    Attributes:
        waits_ms: how long each answer took.
    """

    def __init__(self, request: Callable[[], Awaitable[object]]) -> None:
        """Takes the request; it raises if it is not answered as it should be."""
        self._request = request
        self._answered = asyncio.Event()
        self._started = time.perf_counter()
        self.waits_ms: list[float] = []

    @property
    def longest_wait_ms(self) -> float:
        """The longest wait, with one that has not ended yet."""
        return max([*self.waits_ms, (time.perf_counter() - self._started) * 1000])

    async def go_on(self) -> None:
        """Asks until it is cancelled."""
        while True:
            self._started = time.perf_counter()
            await self._request()
            self.waits_ms.append((time.perf_counter() - self._started) * 1000)
            self._answered.set()
            await asyncio.sleep(_PAUSE_S)

    async def be_answered(self) -> None:
        """Waits for the next answer."""
        self._answered.clear()
        await self._answered.wait()


@asynccontextmanager
async def bystander(request: Callable[[], Awaitable[object]]) -> AsyncIterator[Bystander]:
    """Somebody who was answered once before the attack begins, and once more after it.

    Raises:
        Exception: what ``request`` raises, if it fails before, during or after the attack.
    """
    await request()
    somebody = Bystander(request)
    asking = asyncio.create_task(somebody.go_on())
    try:
        yield somebody
        # What began during the attack, and one more.
        for _ in range(2):
            answered = asyncio.create_task(somebody.be_answered())
            await asyncio.wait({asking, answered}, return_when=asyncio.FIRST_COMPLETED)
            answered.cancel()
    finally:
        asking.cancel()
        with suppress(asyncio.CancelledError):
            await asking
