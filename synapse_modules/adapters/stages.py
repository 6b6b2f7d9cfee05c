"""The clock of the memberships: moves accounts from stage to stage when their day has come, on one process."""

from __future__ import annotations

import logging

from synapse.module_api import ModuleApi

from messenger_core.log import fault_without_text
from synapse_modules.adapters.deactivations import DeactivationWork
from synapse_modules.adapters.locks import Locks
from synapse_modules.adapters.present import now
from synapse_modules.rules.membership import pause_until_next_look
from synapse_modules.store.memberships import Memberships

logger = logging.getLogger(__name__)

_AT_ONCE = 200
_TRY_AGAIN_S = 2.0


class Stages:
    """Runs for as long as the process lives; everything that it does may be interrupted and is found again."""

    def __init__(self, api: ModuleApi, *, memberships: Memberships, locks: Locks, deactivations: DeactivationWork):
        self._api = api
        self._memberships = memberships
        self._locks = locks
        self._deactivations = deactivations

    async def run(self) -> None:
        """Looks at once, then at least every 30 seconds and at 00:00 in Germany."""
        started = False
        while True:
            try:
                if not started:
                    await self._deactivations.take_over()
                    started = True
                await self.look()
            except Exception as fault:  # noqa: BLE001 - the clock must outlive every fault
                logger.warning("memberships could not be looked at, trying again: %s", fault_without_text(fault))
                await self._api.sleep(_TRY_AGAIN_S)
            else:
                await self._api.sleep(pause_until_next_look(now()).total_seconds())

    async def look(self) -> None:
        """Does what is due; a day on which many memberships end is done in short transactions."""
        while moved := await self._memberships.move_what_is_due(now=now(), limit=_AT_ONCE):
            await self._locks.apply(moved)
        await self._locks.apply()
        await self._deactivations.carry_out()
