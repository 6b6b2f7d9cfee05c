"""Store: how a session is doing, in numbers without any content."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix.store.event_state import EventState
from messenger_core.matrix.store.outbox import SendingState
from messenger_core.matrix.store.tables import SessionTables, session_tables


@dataclass(frozen=True, slots=True)
class SessionFigures:
    """How one account's session is doing.

    Attributes:
        journal: events by state.
        oldest_pending_s: how long the oldest event has waited to be handled, in seconds; 0 if none waits.
        oldest_waiting_key_s: the same for the events whose key has not come.
        rooms_with_gaps: rooms of which something has still to be fetched.
        outbox: rows by state.
        oldest_queued_s: how long the oldest message has waited to be sent, in seconds; 0 if none waits.
        unshared_keys: devices that have not got a room key which they should have.
        undigested_to_device: to-device messages that the encryption has not taken in.
        one_time_keys_left: of ours at the homeserver; None before the first sync.
        parked: parked events by reason.
    """

    journal: dict[str, int]
    oldest_pending_s: float
    oldest_waiting_key_s: float
    rooms_with_gaps: int
    outbox: dict[str, int]
    oldest_queued_s: float
    unshared_keys: int
    undigested_to_device: int
    one_time_keys_left: int | None
    parked: dict[str, int]


async def accounts(engine: AsyncEngine) -> list[str]:
    """The accounts that have a session in this database."""
    position = session_tables(sa.MetaData()).position
    async with engine.connect() as connection:
        return list((await connection.execute(sa.select(position.c.user_id).order_by(position.c.user_id))).scalars())


async def session_figures(engine: AsyncEngine, user_id: str, now: datetime) -> SessionFigures:
    """Counts, at one moment."""
    tables = session_tables(sa.MetaData())
    moment = to_milliseconds(now)
    async with engine.connect() as connection:
        count = _Counts(connection, tables, user_id)
        pending = await count.oldest(tables.journal.c.since, tables.journal.c.state == EventState.PENDING.value)
        waiting = await count.oldest(tables.journal.c.since, tables.journal.c.state == EventState.WAITING_KEY.value)
        queued = await count.oldest(tables.outbox.c.created_at, tables.outbox.c.state == SendingState.QUEUED.value)
        left = sa.select(tables.position.c.one_time_keys).where(tables.position.c.user_id == user_id)
        return SessionFigures(
            journal={state.value: 0 for state in EventState} | await count.by(tables.journal.c.state),
            oldest_pending_s=_age_s(pending, moment),
            oldest_waiting_key_s=_age_s(waiting, moment),
            rooms_with_gaps=len(await count.by(tables.gap.c.room_id)),
            outbox={state.value: 0 for state in SendingState} | await count.by(tables.outbox.c.state),
            oldest_queued_s=_age_s(queued, moment),
            unshared_keys=sum((await count.by(tables.owed_key.c.user_id)).values()),
            undigested_to_device=sum((await count.by(tables.to_device.c.user_id)).values()),
            one_time_keys_left=(await connection.execute(left)).scalar_one_or_none(),
            parked=await count.by(tables.journal.c.reason, tables.journal.c.state == EventState.PARKED.value),
        )


class _Counts:
    def __init__(self, connection: AsyncConnection, tables: SessionTables, user_id: str) -> None:
        self._connection = connection
        self._tables = tables
        self._user_id = user_id

    async def by(self, column: sa.Column[str], *conditions: sa.ColumnElement[bool]) -> dict[str, int]:
        mine = column.table.c.user_id == self._user_id
        query = sa.select(column, sa.func.count()).where(mine, *conditions).group_by(column)
        return {str(key): int(number) for key, number in await self._connection.execute(query)}

    async def oldest(self, column: sa.Column[int], condition: sa.ColumnElement[bool]) -> int | None:
        query = sa.select(sa.func.min(column)).where(column.table.c.user_id == self._user_id, condition)
        oldest: int | None = (await self._connection.execute(query)).scalar_one()
        return oldest


def _age_s(since: int | None, moment: int) -> float:
    return 0.0 if since is None else max(0.0, (moment - since) / 1000)
