"""Counts the steps of the device's store and compares them with the database: a restored store is never used again.

Ratchets of an old store would encrypt different messages with the same keys. So each change of the store raises its
number in the same transaction, and the database hears of the number before anything that was made by the change is
sent. A kill between the two leaves the store one step ahead; anything else was restored from a backup.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import StrEnum

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.faults import StoreUnwritable
from messenger_core.matrix.store.store_generations import RecordedGeneration, RecordedGenerations

_CONDEMNED = 2**62
"""A number that no store reaches: every store is behind it."""


class StoreAge(StrEnum):
    """What the comparison says."""

    CURRENT = "current"
    STORE_RESTORED = "store restored"
    DATABASE_RESTORED = "database restored"
    """The store itself may be old as well; nobody can tell."""


def store_age(device_id: str, generation: int, recorded: RecordedGeneration | None) -> StoreAge:
    """Compares the store's number with the database's.

    Args:
        device_id: the device whose store it is.
        generation: the store's number, 0 for a new one.
        recorded: what the database knows, None if nothing.
    """
    if generation == 0 and (recorded is None or recorded.device_id != device_id):
        return StoreAge.CURRENT
    if recorded is None or (recorded.device_id == device_id and generation > recorded.generation + 1):
        return StoreAge.DATABASE_RESTORED
    if recorded.device_id != device_id or generation < recorded.generation:
        return StoreAge.STORE_RESTORED
    return StoreAge.CURRENT


class StoreCondemned(StoreUnwritable):
    """The store must not be used again; what was to be done with it is done after the session was opened anew."""


class Generations:
    """The steps of one open store."""

    def __init__(self, machine: OlmMachine, engine: AsyncEngine) -> None:
        self._machine = machine
        self._records = RecordedGenerations(engine, machine.user_id)
        self._one_at_a_time = asyncio.Lock()
        self._recorded: int | None = None
        self._condemned = False
        machine.sql(
            "CREATE TABLE IF NOT EXISTS generation(only_row INTEGER PRIMARY KEY CHECK(only_row = 1),"
            " generation INTEGER NOT NULL)"
        )

    @property
    def _generation(self) -> int:
        rows = self._machine.sql("SELECT generation FROM generation")
        return int(rows[0][0]) if rows else 0

    async def judge(self) -> StoreAge:
        """Compares store and database when the session opens; a current store is recorded as it is."""
        age = store_age(self._machine.device_id, self._generation, await self._records.find())
        if age is StoreAge.CURRENT:
            async with self._one_at_a_time:
                await self._record()
        return age

    @asynccontextmanager
    async def step(self) -> AsyncIterator[None]:
        """Around each change of the store's ratchets and keys; what was made within may be sent afterwards.

        Everything within is one transaction of the store, so nothing may be awaited there.

        Raises:
            StoreUnwritable: if the disk did not take it; see ``OlmMachine.transaction``.
            StoreCondemned: after ``condemn``.
        """
        async with self._one_at_a_time:
            if self._condemned:
                raise StoreCondemned("the device is to be replaced; open the session anew")
            if self._recorded != self._generation:
                # The last step was interrupted before the database heard of it.
                await self._record()
            with self._machine.transaction():
                yield
                self._machine.sql(
                    "INSERT INTO generation(only_row, generation) VALUES (1, 1)"
                    " ON CONFLICT(only_row) DO UPDATE SET generation = generation + 1"
                )
            await self._record()

    async def _record(self) -> None:
        generation = self._generation
        await self._records.record(RecordedGeneration(self._machine.device_id, generation))
        self._recorded = generation

    def refuse(self) -> None:
        """Lets no more steps happen in this process."""
        self._condemned = True

    async def condemn(self) -> None:
        """Makes sure that this store is not opened again: somebody else has sent with a copy of it."""
        async with self._one_at_a_time:
            self.refuse()
            await self._records.record(RecordedGeneration(self._machine.device_id, _CONDEMNED))
