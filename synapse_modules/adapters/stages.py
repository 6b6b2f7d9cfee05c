"""The clock of the memberships: moves accounts from stage to stage when their day has come, on one process."""

from __future__ import annotations

from messenger_core.clock import present
from synapse_modules.adapters.deactivations import DeactivationWork
from synapse_modules.adapters.locks import Locks
from synapse_modules.rules.membership import pause_until_next_look
from synapse_modules.store.memberships import Memberships

_AT_ONCE = 200


class Stages:
    """Everything that it does may be interrupted and is found again."""

    def __init__(self, memberships: Memberships, locks: Locks, deactivations: DeactivationWork) -> None:
        self._memberships = memberships
        self._locks = locks
        self._deactivations = deactivations
        self._has_taken_over = False

    async def move_what_is_due(self) -> None:
        """One round; a day on which many memberships end is done in short transactions."""
        if not self._has_taken_over:
            await self._deactivations.take_over()
            self._has_taken_over = True
        while moved := await self._memberships.move_what_is_due(now=present(), limit=_AT_ONCE):
            await self._locks.apply(moved)
        await self._locks.apply()
        await self._deactivations.carry_out()

    def pause_s(self) -> float:
        """The pause before the next round, in seconds: at most half a minute, and not past 00:00 in Germany."""
        return pause_until_next_look(present()).total_seconds()
