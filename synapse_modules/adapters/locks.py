"""Keeps Synapse's locks as the module's table says: at once where it changes, and again if that was interrupted."""

from __future__ import annotations

from messenger_core.calendar_periods import berlin_day
from synapse_modules.adapters.present import now, now_ms
from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.memberships import Memberships

# The table may change while Synapse is told, so it is looked at again; what is still open then, the next round does.
_MOST_LOOKS = 3


class Locks:
    """Applies locks; safe to be run at any time and again."""

    def __init__(self, accounts: Accounts, memberships: Memberships, synapse: PrivateAccounts) -> None:
        self._accounts = accounts
        self._memberships = memberships
        self._synapse = synapse

    async def apply(self) -> None:
        """Brings Synapse's locks in line with the table."""
        for _ in range(_MOST_LOOKS):
            locks = await self._accounts.locks_to_apply()
            for lock in locks:
                await self._synapse.set_locked(lock.user_id, locked=lock.locked)
            if not locks:
                return

    async def apply_what_is_due(self) -> None:
        """Locks the accounts whose membership has ended by now."""
        await self._memberships.lock_ended(today=berlin_day(now()), at=now_ms())
        await self.apply()
