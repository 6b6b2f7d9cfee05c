"""Store: what is held from before a moment, and its erasure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge_bot.store.tables import MESSAGE, OUTBOX, RELAYED_COPY, SESSION, SUPPORT_ROOM, TEAM_ROOM, TICKET
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix import MediaLedger

CLOCKS_DIFFER_BY = timedelta(minutes=1)
"""How far the moment of an event here and the homeserver's time of receipt may lie apart."""


@dataclass(frozen=True, slots=True)
class DueRoom:
    """A room that may hold something from before a moment."""

    room_id: str
    messages: int
    media: list[str]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much is held, or was erased. ``messages`` counts each event once: messages, copies, reactions."""

    messages: int
    media: int
    tickets: int


class Erasure:
    """Erases by the calendar; the media ledger is the session's."""

    def __init__(self, engine: AsyncEngine, ledger: MediaLedger) -> None:
        self._engine = engine
        self._ledger = ledger

    async def due(self, before: datetime) -> list[DueRoom]:
        """The rooms in which there may be something from before the moment, both sides, and how much of it is known.

        A room with something from shortly after the moment is named as well, since the homeserver goes by its own
        time of receipt.
        """
        moment, last = to_milliseconds(before), to_milliseconds(before + CLOCKS_DIFFER_BY)
        events = _events(moment)
        rooms = sa.union(*_parts(last, journal_before=last)).subquery()
        counted = sa.select(events.c.room_id, sa.func.count().label("held")).group_by(events.c.room_id)
        async with self._engine.connect() as connection:
            named = set((await connection.execute(sa.select(rooms.c.room_id).distinct())).scalars())
            messages = {row.room_id: row.held for row in await connection.execute(counted)}
        media = await self._ledger.used_before(before)
        return [
            DueRoom(room_id, messages.get(room_id, 0), media.get(room_id, []))
            for room_id in sorted(named | media.keys())
        ]

    async def held(self, before: datetime) -> Amount:
        """How much is held from before the moment."""
        moment = to_milliseconds(before)
        media = sum(len(addresses) for addresses in (await self._ledger.used_before(before)).values())
        async with self._engine.connect() as connection:
            messages = await _count(connection, _events(moment))
            tickets = await _count(connection, TICKET, _all_older(moment))
        return Amount(messages, media, tickets)

    async def erase(self, before: datetime) -> Amount:
        """Erases it; can be repeated. A ticket goes with its last message."""
        moment = to_milliseconds(before)
        journal = SESSION.journal
        async with self._engine.begin() as connection:
            messages = await _count(connection, _events(moment))
            await connection.execute(OUTBOX.delete().where(OUTBOX.c.created_at < moment))
            await connection.execute(journal.delete().where(journal.c.received_at < _journal_until(moment)))
            relation, sent = SESSION.relation, SESSION.outbox
            await connection.execute(relation.delete().where(relation.c.received_at < _journal_until(moment)))
            await connection.execute(sent.delete().where(sent.c.settled_at < moment))
            tickets = TICKET.c.id.in_(sa.select(TICKET.c.id).where(_all_older(moment)))
            going = list((await connection.execute(sa.select(TICKET.c.id).where(tickets))).scalars())
            await connection.execute(RELAYED_COPY.delete().where(RELAYED_COPY.c.sent_at < moment))
            await connection.execute(MESSAGE.delete().where(MESSAGE.c.received_at < moment))
            for ticket_id in going:
                await connection.execute(OUTBOX.delete().where(OUTBOX.c.ticket_id == ticket_id))
                await connection.execute(TICKET.delete().where(TICKET.c.id == ticket_id))
        media = await self._ledger.forget_before(before)
        return Amount(messages, media, len(going))


def _all_older(moment: int) -> sa.ColumnElement[bool]:
    """A ticket that was opened before the moment and has no message from after it."""
    younger = sa.select(MESSAGE.c.id).where(MESSAGE.c.ticket_id == TICKET.c.id, MESSAGE.c.received_at >= moment)
    return sa.and_(TICKET.c.opened_at < moment, ~younger.exists())


def _journal_until(moment: int) -> int:
    """Up to when rows of the journal go, in milliseconds.

    An event from just before the moment may have reached the homeserver just after it; it then stays there, and its
    row stays here to name the room the next time.
    """
    return moment - CLOCKS_DIFFER_BY // timedelta(milliseconds=1)


def _parts(moment: int, *, journal_before: int) -> list[sa.Select[tuple[str, str]]]:
    """Event id and room id of all that is older: messages, their copies, and what the session alone has seen.

    Reactions, and events whose key never came, are in the journal alone. Invitations are no events of a room.
    """
    journal = SESSION.journal
    ours = sa.union(sa.select(SUPPORT_ROOM.c.room_id), sa.select(TEAM_ROOM.c.room_id))
    return [
        sa.select(MESSAGE.c.event_id, MESSAGE.c.room_id).where(MESSAGE.c.received_at < moment),
        sa.select(RELAYED_COPY.c.relayed_event_id, RELAYED_COPY.c.room_id).where(RELAYED_COPY.c.sent_at < moment),
        sa.select(journal.c.event_id, journal.c.room_id).where(
            journal.c.received_at < journal_before, journal.c.kind == "event", journal.c.room_id.in_(ours)
        ),
    ]


def _events(moment: int) -> sa.Subquery:
    """The events that are held from before the moment, each once."""
    return sa.union(*_parts(moment, journal_before=_journal_until(moment))).subquery()


async def _count(connection: AsyncConnection, what: sa.FromClause, *conditions: sa.ColumnElement[bool]) -> int:
    counted = sa.select(sa.func.count()).select_from(what).where(*conditions)
    return int((await connection.execute(counted)).scalar_one())
