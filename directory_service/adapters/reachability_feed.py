"""Lets homeservers wait for the next change of the reachable set."""

from __future__ import annotations

from directory_service.adapters.version_watch import VersionWatch
from directory_service.store.history import Position
from directory_service.store.reachable_set import ReachableChange, ReachableSet


class ReachabilityFeed:
    """Answers with what changed, as soon as something did."""

    def __init__(self, reachable: ReachableSet, watch: VersionWatch) -> None:
        self._reachable = reachable
        self._watch = watch

    async def since(self, asked: Position | None, wait_s: float, limit: int | None = None) -> ReachableChange:
        """What changed after a position; waits at most ``wait_s`` seconds for the first change.

        Args:
            asked: what the homeserver has; None if nothing. If it is not of this history, it is told at once.
            wait_s: how long it is ready to wait.
            limit: how many accounts a page has at most; None for all at once.
        """
        if asked is not None and await self._reachable.continues(asked):
            await self._watch.other_than(asked.version, wait_s)
        return await self._reachable.since(asked, limit)
