"""Follows the directory: applies every change of who may be reached, page by page, as soon as it is told."""

from __future__ import annotations

import logging

from synapse.module_api import ModuleApi

from messenger_core.log import fault_without_text
from synapse_modules.adapters.directory_client import DirectoryClient, DirectoryFault
from synapse_modules.adapters.present import now_ms
from synapse_modules.store.reachability import OutOfStep, Position, Reachability

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
# A directory that answers at once, always, must not keep this process busy.
_BREATH_S = 0.05
_NOTHING = Position(0, "")


class ReachabilityWatch:
    """Runs on the main process for as long as it lives."""

    def __init__(self, api: ModuleApi, client: DirectoryClient, reachability: Reachability) -> None:
        self._api = api
        self._client = client
        self._reachability = reachability

    async def follow(self) -> None:
        """Asks again and again; an outage is logged once and waited out with growing pauses."""
        pause, whole_set = _FIRST_PAUSE_S, False
        while True:
            try:
                since = _NOTHING if whole_set else await self._reachability.position()
                await self._reachability.apply(await self._client.reachable(since), at=now_ms())
            except OutOfStep:
                whole_set = True
                await self._api.sleep(_BREATH_S)
            except Exception as fault:  # noqa: BLE001 - the watch must outlive every fault
                if pause == _FIRST_PAUSE_S:
                    reason = str(fault) if isinstance(fault, DirectoryFault) else fault_without_text(fault)
                    logger.warning("the directory cannot be followed, trying again: %s", reason)
                await self._api.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE_S)
            else:
                if pause != _FIRST_PAUSE_S:
                    logger.info("the directory can be followed again")
                pause, whole_set = _FIRST_PAUSE_S, False
                await self._api.sleep(_BREATH_S)
