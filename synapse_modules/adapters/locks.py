"""Keeps Synapse's locks as the module's table says: at once where it changes, and again if that was interrupted."""

from __future__ import annotations

from collections.abc import Sequence

from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.store.accounts import Accounts

# The table may change while Synapse is told, so it is looked at again; what is still open then, the next round does.
_MOST_LOOKS = 3


class Locks:
    """Applies locks; safe to be run at any time and again."""

    def __init__(self, accounts: Accounts, synapse: PrivateAccounts) -> None:
        self._accounts = accounts
        self._synapse = synapse

    async def apply(self, user_ids: Sequence[str] | None = None) -> None:
        """Brings Synapse's locks in line with the table.

        Args:
            user_ids: the accounts that were moved; None looks at all of them.
        """
        for _ in range(_MOST_LOOKS):
            locks = await self._accounts.locks_to_apply(user_ids)
            for lock in locks:
                await self._synapse.set_locked(lock.user_id, locked=lock.locked)
            if not locks:
                return
