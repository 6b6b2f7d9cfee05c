"""Synapse's accounts: their locks, which every process is told of at once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any

from synapse.server import HomeServer
from synapse.storage.database import LoggingTransaction
from synapse.storage.databases.main.registration import RegistrationWorkerStore

from messenger_core.log import fault_without_text
from synapse_modules.adapters.synapse_private.bell import Bell
from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(RegistrationWorkerStore, "get_user_by_id", ("user_id",)),
    Feature(RegistrationWorkerStore, "get_user_locked_status", ("user_id",)),
    Feature(RegistrationWorkerStore, "set_user_locked_status_txn", ("txn", "user_id", "locked")),
)

logger = logging.getLogger(__name__)

LockChanged = Callable[[str], Awaitable[None]]
"""Called in every process, with a user id, after the account was locked or unlocked."""


class PrivateAccounts:
    """What the public module API cannot do with an account."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._store = hs.get_datastores().main
        # Synapse describes its cached methods to a type checker of its own only.
        cached: Any = self._store
        self._find: Callable[[str], Awaitable[object | None]] = cached.get_user_by_id
        self._locked_status: Any = cached.get_user_locked_status
        self._followers: list[LockChanged] = []
        self._bell = Bell(hs, "hek_lock_changed", self._changed)

    async def set_locked(self, user_id: str, *, locked: bool) -> None:
        """Locks or unlocks an account; every request of a locked one is answered with 401.

        In one transaction with the bell, so that no process is killed between the lock and telling of it.
        """

        def work(txn: LoggingTransaction) -> None:
            self._store.set_user_locked_status_txn(txn, user_id, locked)
            self._bell.ring_with(txn, user_id)

        await self._store.db_pool.runInteraction("hek_set_locked", work)

    async def is_locked(self, user_id: str) -> bool:
        """Whether Synapse refuses the account's requests; False for people of other servers and unknown ones."""
        if not self._hs.is_mine_id(user_id) or await self._find(user_id) is None:
            return False
        locked: bool = await self._locked_status(user_id)
        return locked

    async def catch_up(self, user_id: str, *, locked: bool) -> None:
        """Does here what the bell does, if this process does not know of a lock, or of its end, that was written."""
        if await self.is_locked(user_id) is not locked:
            self._locked_status.invalidate((user_id,))
            self._changed(user_id)

    def follow_locks(self, follower: LockChanged) -> None:
        """Has something done in this process whenever an account was locked or unlocked, by whatever process."""
        self._followers.append(follower)

    def _changed(self, user_id: str) -> None:
        self._hs.run_as_background_process("hek_lock_changed", self._tell, user_id)

    async def _tell(self, user_id: str) -> None:
        for follower in self._followers:
            try:
                await follower(user_id)
            except Exception as fault:  # noqa: BLE001 - one that fails keeps no other from being told
                logger.error("a lock was not followed up: %s", fault_without_text(fault))  # noqa: TRY400
