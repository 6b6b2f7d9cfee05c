"""Looks into the database whether a lock was missed: in every process, for when Redis is away."""

from __future__ import annotations

from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.store.accounts import Accounts


class LockWatch:
    """Compares who is locked with what it saw the last time; what both know costs nothing."""

    def __init__(self, accounts: Accounts, synapse: PrivateAccounts) -> None:
        self._accounts = accounts
        self._synapse = synapse
        self._seen: set[str] = set()

    async def look(self) -> None:
        """Catches up with the locks, and the ends of locks, that were written since the last look."""
        locked = await self._accounts.locked()
        for user_id in locked ^ self._seen:
            await self._synapse.catch_up(user_id, locked=user_id in locked)
        self._seen = locked
