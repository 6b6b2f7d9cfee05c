"""Synapse's accounts: locks."""

from __future__ import annotations

from synapse.server import HomeServer
from synapse.storage.databases.main.registration import RegistrationWorkerStore

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(RegistrationWorkerStore, "set_user_locked_status", ("user_id", "locked")),)


class PrivateAccounts:
    """What the public module API cannot do with an account."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def set_locked(self, user_id: str, *, locked: bool) -> None:
        """Locks or unlocks an account; every request of a locked one is answered with 401."""
        await self._hs.get_datastores().main.set_user_locked_status(user_id, locked)
