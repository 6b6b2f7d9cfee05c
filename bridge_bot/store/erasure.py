"""Store: what is held from before a moment, and its erasure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge_bot.store.tables import MESSAGE, OUTBOX, RELAYED_COPY, SESSION, TICKET
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix import MediaLedger


@dataclass(frozen=True, slots=True)
class DueRoom:
    """A room that holds something from before a moment."""

    room_id: str
    messages: int
    media: list[str]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is held, or was erased. ``messages`` counts each event: a message and its relayed copies."""

    messages: int
    media: int
    tickets: int


class Erasure:
    """Erases by the calendar; the media ledger is the session's."""

    def __init__(self, engine: AsyncEngine, ledger: MediaLedger) -> None:
        self._engine = engine
        self._ledger = ledger

    async def due(self, before: datetime) -> list[DueRoom]:
        """The rooms that hold messages or files from before the moment, both sides."""
        moment = to_milliseconds(before)
        messages: Counter[str] = Counter()
        async with self._engine.connect() as connection:
            for table, at in ((MESSAGE, MESSAGE.c.received_at), (RELAYED_COPY, RELAYED_COPY.c.sent_at)):
                query = sa.select(table.c.room_id, sa.func.count()).where(at < moment).group_by(table.c.room_id)
                for room_id, count in await connection.execute(query):
                    messages[room_id] += count
        media = await self._ledger.used_before(before)
        return [
            DueRoom(room_id, messages[room_id], media.get(room_id, []))
            for room_id in sorted(messages.keys() | media.keys())
        ]

    async def held(self, before: datetime) -> Amount:
        """How much is held from before the moment."""
        moment = to_milliseconds(before)
        media = sum(len(addresses) for addresses in (await self._ledger.used_before(before)).values())
        async with self._engine.connect() as connection:
            messages = await _count(connection, MESSAGE, MESSAGE.c.received_at < moment)
            messages += await _count(connection, RELAYED_COPY, RELAYED_COPY.c.sent_at < moment)
            tickets = await _count(connection, TICKET, _all_older(moment))
        return Amount(messages, media, tickets)

    async def erase(self, before: datetime) -> Amount:
        """Erases it; can be repeated. A ticket goes with its last message."""
        moment = to_milliseconds(before)
        async with self._engine.begin() as connection:
            for table, at in ((OUTBOX, OUTBOX.c.created_at), (SESSION.journal, SESSION.journal.c.received_at)):
                await connection.execute(table.delete().where(at < moment))
            tickets = TICKET.c.id.in_(sa.select(TICKET.c.id).where(_all_older(moment)))
            going = list((await connection.execute(sa.select(TICKET.c.id).where(tickets))).scalars())
            copies = await connection.execute(RELAYED_COPY.delete().where(RELAYED_COPY.c.sent_at < moment))
            messages = await connection.execute(MESSAGE.delete().where(MESSAGE.c.received_at < moment))
            for ticket_id in going:
                await connection.execute(OUTBOX.delete().where(OUTBOX.c.ticket_id == ticket_id))
                await connection.execute(TICKET.delete().where(TICKET.c.id == ticket_id))
        media = await self._ledger.forget_before(before)
        return Amount(copies.rowcount + messages.rowcount, media, len(going))


def _all_older(moment: int) -> sa.ColumnElement[bool]:
    """A ticket that was opened before the moment and has no message from after it."""
    younger = sa.select(MESSAGE.c.id).where(MESSAGE.c.ticket_id == TICKET.c.id, MESSAGE.c.received_at >= moment)
    return sa.and_(TICKET.c.opened_at < moment, ~younger.exists())


async def _count(connection: AsyncConnection, table: sa.Table, condition: sa.ColumnElement[bool]) -> int:
    return int((await connection.execute(sa.select(sa.func.count()).select_from(table).where(condition))).scalar_one())
