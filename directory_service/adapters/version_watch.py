"""Lets callers wait for the next change in the database, whichever process makes it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

# How often the database is asked for changes that another replica made; the promise is one second.
_POLL_S = 0.25


class VersionWatch:
    """Watches one number that grows with every commit."""

    def __init__(self, read: Callable[[], Awaitable[int]]) -> None:
        """``read`` gives the newest version that is committed."""
        self._read = read
        self._changed = asyncio.Condition()

    async def tell(self) -> None:
        """Wakes those who wait, after a change was committed here."""
        async with self._changed:
            self._changed.notify_all()

    async def other_than(self, version: int, within_s: float) -> int:
        """Waits until the version is another, at most ``within_s`` seconds; the version then."""
        deadline = asyncio.get_running_loop().time() + within_s
        while (newest := await self._read()) == version:
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await self._next(min(left, _POLL_S))
        return newest

    async def _next(self, at_most_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s), self._changed:
                await self._changed.wait()


class VersionWatches:
    """The two numbers that a process watches: of all practices, and of the reachable set."""

    def __init__(self, *, practices: Callable[[], Awaitable[int]], reachable: Callable[[], Awaitable[int]]) -> None:
        self.practices = VersionWatch(practices)
        self.reachable = VersionWatch(reachable)

    async def tell(self) -> None:
        """Wakes all who wait, after a practice was changed here."""
        await self.practices.tell()
        await self.reachable.tell()
