"""Store: periods that insured people set by message, until the homeserver has taken them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from retention.store.tables import period_wish


@dataclass(frozen=True, slots=True)
class PeriodWish:
    """One message with a period; ``months`` None means that nothing is ever to be offered."""

    event_id: str
    user_id: str
    room_id: str
    months: int | None


class PeriodWishes:
    """Wished periods in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, wish: PeriodWish, asked_at: datetime) -> None:
        """Stores a wish; the same message again changes nothing."""
        row = insert_into(self._engine, period_wish).values(
            event_id=wish.event_id,
            user_id=wish.user_id,
            room_id=wish.room_id,
            months=wish.months,
            asked_at=to_milliseconds(asked_at),
            done=False,
        )
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing())

    async def open(self) -> list[PeriodWish]:
        """The wishes to be passed on, in the order in which they were written."""
        query = (
            sa.select(period_wish)
            .where(period_wish.c.done.is_(False))
            .order_by(period_wish.c.asked_at, period_wish.c.event_id)
        )
        async with self._engine.connect() as connection:
            return [
                PeriodWish(row.event_id, row.user_id, row.room_id, row.months)
                for row in await connection.execute(query)
            ]

    async def done(self, event_id: str) -> None:
        """The homeserver has taken the period and the person was told."""
        async with self._engine.begin() as connection:
            await connection.execute(period_wish.update().where(period_wish.c.event_id == event_id).values(done=True))
