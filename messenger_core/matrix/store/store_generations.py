"""Store: how far the device's store of encryption keys had come, so that one restored from a backup is recognised."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import insert_into
from messenger_core.matrix.store.tables import session_tables


@dataclass(frozen=True, slots=True)
class RecordedGeneration:
    """What the database knows of the account's device."""

    device_id: str
    generation: int


class RecordedGenerations:
    """One row an account, in the service's database."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        self._table = session_tables(sa.MetaData()).store_generation

    async def find(self) -> RecordedGeneration | None:
        """What was recorded last, None if nothing was."""
        query = sa.select(self._table.c.device_id, self._table.c.generation).where(
            self._table.c.user_id == self._user_id
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else RecordedGeneration(row.device_id, row.generation)

    async def record(self, recorded: RecordedGeneration) -> None:
        """Records it in place of what was there."""
        values = {"device_id": recorded.device_id, "generation": recorded.generation}
        row = insert_into(self._engine, self._table).values(user_id=self._user_id, **values)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=values))
