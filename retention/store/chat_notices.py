"""Store: what is still to be told to people about a chat of theirs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into
from retention.store.tables import chat_notice


@dataclass(frozen=True, slots=True)
class ChatNotice:
    """A notice; ``version`` is the number of the homeserver's change that it tells of, and names it for good."""

    version: int
    user_id: str
    room_id: str
    kind: str
    happened_at: datetime
    is_invited: bool


class ChatNotices:
    """Notices in the database, until they are told or too old."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, notice: ChatNotice) -> None:
        """Writes a notice down; one that is there stays as it is."""
        row = insert_into(self._engine, chat_notice).values(
            version=notice.version,
            user_id=notice.user_id,
            room_id=notice.room_id,
            kind=notice.kind,
            happened_at=to_milliseconds(notice.happened_at),
            is_invited=notice.is_invited,
        )
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing())

    async def all(self) -> list[ChatNotice]:
        """Every notice that is still to be told, oldest first."""
        async with self._engine.connect() as connection:
            return [
                ChatNotice(
                    row.version, row.user_id, row.room_id, row.kind, from_milliseconds(row.happened_at), row.is_invited
                )
                for row in await connection.execute(sa.select(chat_notice).order_by(chat_notice.c.version))
            ]

    async def invited(self, version: int) -> None:
        """The person was invited to read it."""
        changed = chat_notice.update().where(chat_notice.c.version == version).values(is_invited=True)
        async with self._engine.begin() as connection:
            await connection.execute(changed)

    async def done(self, version: int) -> None:
        """A notice was told, or need not be told any more."""
        async with self._engine.begin() as connection:
            await connection.execute(chat_notice.delete().where(chat_notice.c.version == version))

    async def forget(self, user_id: str) -> None:
        """Nobody is left to be told anything."""
        async with self._engine.begin() as connection:
            await connection.execute(chat_notice.delete().where(chat_notice.c.user_id == user_id))
