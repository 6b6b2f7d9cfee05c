"""A bell that rings in every process: it looks like a cache to Synapse, whose processes tell each other of those."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from synapse.server import HomeServer
from synapse.storage._base import SQLBaseStore
from synapse.storage.database import LoggingTransaction
from synapse.storage.databases.main.cache import CacheInvalidationWorkerStore

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(CacheInvalidationWorkerStore, "_invalidate_cache_and_stream", ("txn", "cache_func", "keys")),
    Feature(SQLBaseStore, "register_external_cached_function", ("cache_name", "func")),
)


class Bell:
    """Has of a cached function what Synapse uses."""

    def __init__(self, hs: HomeServer, name: str, rung: Callable[[str], None]) -> None:
        """``rung`` is called in this process with what any process has rung for."""
        self.__name__ = name
        self._rung = rung
        self._store = hs.get_datastores().main

    def listen(self) -> None:
        """Has this process hear it; of two bells of one name, only the last one would be heard."""
        self._store.register_external_cached_function(self.__name__, cast("Any", self))

    def ring_with(self, txn: LoggingTransaction, what: str) -> None:
        """Rings in every process when a transaction is done, and not at all if it fails."""
        self._store._invalidate_cache_and_stream(txn, cast("Any", self), (what,))

    async def ring(self, what: str) -> None:
        """Rings in every process."""
        await self._store.db_pool.runInteraction(self.__name__, self.ring_with, what)

    def invalidate(self, keys: tuple[Any, ...]) -> None:
        """Synapse calls it after the transaction, here and in every other process."""
        self._rung(keys[0])

    def invalidate_all(self) -> None:
        """Synapse never calls it for an entry that has a key."""
