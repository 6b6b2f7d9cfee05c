"""Follows the directory: applies every change of who may be reached, page by page, as soon as it is told."""

from __future__ import annotations

import logging

from messenger_core.backoff import Backoff
from messenger_core.clock import present_ms
from synapse_modules.adapters.directory_client import DirectoryClient, DirectoryFault
from synapse_modules.store.reachability import OutOfStep, Position, Reachability

logger = logging.getLogger(__name__)

_OUTAGE = Backoff(first_s=0.5, most_s=30.0)
# A directory that answers at once, always, must not keep this process busy.
_BREATH_S = 0.05
_NOTHING = Position(0, "")


class ReachabilityWatch:
    """Runs on the main process; a directory that is away is no fault of this process."""

    def __init__(self, client: DirectoryClient, reachability: Reachability) -> None:
        self._client = client
        self._reachability = reachability
        self._wants_whole_set = False
        self._outages = 0

    async def follow(self) -> None:
        """Waits for one page of changes and applies it; an outage is logged once."""
        since = _NOTHING if self._wants_whole_set else await self._reachability.position()
        try:
            await self._reachability.apply(await self._client.reachable(since), at=present_ms())
        except OutOfStep:
            self._wants_whole_set = True
        except DirectoryFault as fault:
            if not self._outages:
                logger.warning("the directory cannot be followed, trying again: %s", fault)
            self._outages += 1
        else:
            if self._outages:
                logger.info("the directory can be followed again")
            self._wants_whole_set, self._outages = False, 0

    def pause_s(self) -> float:
        """The pause before the next page, in seconds; in an outage it grows."""
        return _OUTAGE.wait_s(self._outages) or _BREATH_S
