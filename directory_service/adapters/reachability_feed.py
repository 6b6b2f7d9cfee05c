"""Lets homeservers wait for the next change of the reachable set."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from directory_service.store.reachable_set import ReachableChange, ReachableSet

# How often the database is asked for changes that another replica made.
_POLL_S = 0.5


class ReachabilityFeed:
    """Answers with what changed, as soon as something did."""

    def __init__(self, reachable: ReachableSet) -> None:
        self._reachable = reachable
        self._changed = asyncio.Condition()

    async def tell(self) -> None:
        """Wakes those who wait, after a change was committed here."""
        async with self._changed:
            self._changed.notify_all()

    async def since(self, version: int, wait_s: float) -> ReachableChange:
        """What changed after a version; waits at most ``wait_s`` seconds for the first change."""
        deadline = asyncio.get_running_loop().time() + wait_s
        while version == await self._reachable.version():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await self._next(min(left, _POLL_S))
        return await self._reachable.since(version)

    async def _next(self, at_most_s: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(at_most_s), self._changed:
                await self._changed.wait()
