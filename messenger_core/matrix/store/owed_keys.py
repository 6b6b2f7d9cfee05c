"""Store: devices that should have a room key of ours and have not got it yet."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.store.tables import session_tables

ALL_DEVICES = "*"
"""Stands for the devices of somebody whose homeserver could not be asked which there are."""


@dataclass(frozen=True, slots=True)
class OwedKey:
    """A room key that a device should have from a message on."""

    room_id: str
    session_id: str
    owner: str
    device_id: str
    message_index: int
    attempts: int = 0


class OwedKeys:
    """The owed room keys of one account."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        self._owed = session_tables(sa.MetaData()).owed_key

    async def owe(self, keys: Iterable[OwedKey], now: datetime) -> None:
        """Notes keys that did not reach their device; what is noted already stays as it is."""
        moment = to_milliseconds(now)
        async with self._engine.begin() as connection:
            for key in keys:
                row = insert_into(self._engine, self._owed).values(
                    user_id=self._user_id,
                    room_id=key.room_id,
                    session_id=key.session_id,
                    owner=key.owner,
                    device_id=key.device_id,
                    message_index=key.message_index,
                    since=moment,
                    attempts=0,
                    next_at=moment,
                )
                await connection.execute(row.on_conflict_do_nothing())

    async def due(self, now: datetime, heard_from: Collection[str], limit: int) -> list[OwedKey]:
        """Those whose time to be tried again has come, and those of people whose device was just heard from."""
        query = (
            sa.select(self._owed)
            .where(
                self._owed.c.user_id == self._user_id,
                sa.or_(self._owed.c.next_at <= to_milliseconds(now), self._owed.c.owner.in_(heard_from)),
            )
            .order_by(self._owed.c.next_at)
            .limit(limit)
        )
        async with self._engine.connect() as connection:
            return [
                OwedKey(row.room_id, row.session_id, row.owner, row.device_id, row.message_index, row.attempts)
                for row in await connection.execute(query)
            ]

    async def put_off(self, key: OwedKey, now: datetime, pause: timedelta) -> None:
        """Counts an attempt that failed, and says when the next one is due."""
        async with self._engine.begin() as connection:
            await connection.execute(
                self._owed.update()
                .where(*self._same(key))
                .values(attempts=key.attempts + 1, next_at=to_milliseconds(now + pause))
            )

    async def settle(self, keys: Iterable[OwedKey]) -> None:
        """Takes keys out that are no longer owed."""
        async with self._engine.begin() as connection:
            for key in keys:
                await connection.execute(self._owed.delete().where(*self._same(key)))

    async def sessions(self) -> frozenset[str]:
        """The session ids that somebody is owed."""
        query = sa.select(self._owed.c.session_id).where(self._owed.c.user_id == self._user_id).distinct()
        async with self._engine.connect() as connection:
            return frozenset((await connection.execute(query)).scalars())

    def _same(self, key: OwedKey) -> tuple[sa.ColumnElement[bool], ...]:
        columns = self._owed.c
        return (
            columns.user_id == self._user_id,
            columns.room_id == key.room_id,
            columns.session_id == key.session_id,
            columns.owner == key.owner,
            columns.device_id == key.device_id,
        )
