"""Store: up to which change of accounts the homeserver's stream was applied."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.store.tables import CHANGE_POSITION
from messenger_core.database import insert_into

_SOURCE = "homeserver"


class ChangePosition:
    """The position in the homeserver's stream of account changes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def position(self) -> int:
        """The position to ask from, 0 at first."""
        query = sa.select(CHANGE_POSITION.c.next).where(CHANGE_POSITION.c.source == _SOURCE)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

    async def move_to(self, position: int) -> None:
        """Notes that everything before ``position`` is applied."""
        row = insert_into(self._engine, CHANGE_POSITION).values(source=_SOURCE, next=position)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["source"], set_={"next": position}))
