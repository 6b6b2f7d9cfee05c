"""Store: to-device messages that the encryption has not taken in yet."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.store.tables import session_tables


class ToDeviceRows:
    """To-device messages of one account, in the order in which they came."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        self._rows = session_tables(sa.MetaData()).to_device

    async def first(self, count: int) -> list[tuple[int, str]]:
        """Number and JSON of the oldest messages, at most ``count``."""
        query = (
            sa.select(self._rows.c.id, self._rows.c.source)
            .where(self._rows.c.user_id == self._user_id)
            .order_by(self._rows.c.id)
            .limit(count)
        )
        async with self._engine.connect() as connection:
            return [(row.id, row.source) for row in await connection.execute(query)]

    async def remove(self, numbers: Sequence[int]) -> None:
        """Takes out what the encryption has on disk."""
        async with self._engine.begin() as connection:
            await connection.execute(
                self._rows.delete().where(self._rows.c.user_id == self._user_id, self._rows.c.id.in_(numbers))
            )
