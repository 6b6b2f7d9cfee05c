"""Store: room keys that a sender's device was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.store.tables import session_tables


@dataclass(frozen=True, slots=True)
class KeyRequest:
    """A room key that a device is asked for; ``device_id`` is ``*`` if an event does not name it."""

    request_id: str
    room_id: str
    session_id: str
    recipient: str
    device_id: str
    attempts: int = 0


class KeyRequests:
    """The open key requests of one account."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        self._requests = session_tables(sa.MetaData()).key_request

    async def all(self) -> list[KeyRequest]:
        """Every open request."""
        return await self._where()

    async def due(self, now: datetime, limit: int) -> list[KeyRequest]:
        """The requests whose time to be sent (again) has come."""
        return await self._where(self._requests.c.next_at <= to_milliseconds(now), limit=limit)

    async def add(self, request: KeyRequest, now: datetime, *, at_most: int) -> bool:
        """Opens a request, due at once, unless the key is asked for already.

        Args:
            request: what to ask for.
            now: the present.
            at_most: how many requests to one person may be open; the one that failed most often makes room.

        Returns:
            Whether it was opened.
        """
        columns = self._requests.c
        mine = (columns.user_id == self._user_id, columns.recipient == request.recipient)
        same = (*mine, columns.room_id == request.room_id, columns.session_id == request.session_id)
        async with self._engine.begin() as connection:
            counting = sa.select(sa.func.count()).select_from(self._requests)
            if (await connection.execute(counting.where(*same))).scalar_one():
                return False
            if (await connection.execute(counting.where(*mine))).scalar_one() >= at_most:
                hopeless = sa.select(columns.request_id).where(*mine).order_by(columns.attempts.desc()).limit(1)
                await connection.execute(
                    self._requests.delete().where(*mine, columns.request_id == hopeless.scalar_subquery())
                )
            row = insert_into(self._engine, self._requests).values(
                user_id=self._user_id,
                request_id=request.request_id,
                room_id=request.room_id,
                session_id=request.session_id,
                recipient=request.recipient,
                device_id=request.device_id,
                attempts=0,
                next_at=to_milliseconds(now),
            )
            await connection.execute(row)
        return True

    async def put_off(self, request: KeyRequest, now: datetime, pause: timedelta) -> None:
        """Counts an attempt, and says when the next one is due."""
        async with self._engine.begin() as connection:
            await connection.execute(
                self._requests.update()
                .where(self._is(request))
                .values(attempts=request.attempts + 1, next_at=to_milliseconds(now + pause))
            )

    async def close(self, requests: Iterable[KeyRequest]) -> None:
        """Takes out what was answered or given up."""
        async with self._engine.begin() as connection:
            for request in requests:
                await connection.execute(self._requests.delete().where(self._is(request)))

    async def _where(self, *conditions: sa.ColumnElement[bool], limit: int | None = None) -> list[KeyRequest]:
        columns = self._requests.c
        query = sa.select(self._requests).where(columns.user_id == self._user_id, *conditions).limit(limit)
        async with self._engine.connect() as connection:
            return [
                KeyRequest(row.request_id, row.room_id, row.session_id, row.recipient, row.device_id, row.attempts)
                for row in await connection.execute(query.order_by(columns.next_at))
            ]

    def _is(self, request: KeyRequest) -> sa.ColumnElement[bool]:
        columns = self._requests.c
        return sa.and_(columns.user_id == self._user_id, columns.request_id == request.request_id)
