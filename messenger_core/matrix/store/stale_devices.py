"""Store: whose list of devices changed and was not asked for since."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.store.tables import session_tables


class StaleDevices:
    """Stale device lists of one account's contacts; the rows are written with the sync answer that named them."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        tables = session_tables(sa.MetaData())
        self._stale, self._position = tables.stale_devices, tables.position

    async def all(self) -> dict[str, int]:
        """Owner to the batch in which the list changed last."""
        query = sa.select(self._stale.c.owner, self._stale.c.batch).where(self._stale.c.user_id == self._user_id)
        async with self._engine.connect() as connection:
            return {row.owner: row.batch for row in await connection.execute(query)}

    async def has_position(self) -> bool:
        """Whether the account has read the stream before, and so was told of changes."""
        query = sa.select(self._position.c.batch).where(self._position.c.user_id == self._user_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).first() is not None

    async def settle(self, asked: Mapping[str, int]) -> None:
        """Takes out the lists that were asked for, unless they changed again after that batch."""
        if not asked:
            return
        async with self._engine.begin() as connection:
            # In one order everywhere, so that two transactions never wait for each other.
            for owner, batch in sorted(asked.items()):
                await connection.execute(
                    self._stale.delete().where(
                        self._stale.c.user_id == self._user_id,
                        self._stale.c.owner == owner,
                        self._stale.c.batch <= batch,
                    )
                )
