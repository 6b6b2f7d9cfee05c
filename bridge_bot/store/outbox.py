"""Store: what is still to be sent. A row stays until the homeserver acknowledged it, so a kill loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge_bot.rules.messages import Direction
from bridge_bot.store.tables import MESSAGE, OUTBOX, RELAYED_COPY, TICKET
from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into


class Kind(StrEnum):
    """What a row of the outbox does."""

    SAY = "say"
    """Tells the person ``text`` (a key of the catalogue) in her support room."""
    ROOT = "root"
    """Opens the ticket's thread."""
    RELAY_IN = "relay-in"
    """Brings the person's message into the ticket's thread."""
    RELAY_OUT = "relay-out"
    """Brings an agent's answer to the person."""
    THREAD = "thread"
    """Tells the agents ``text`` in the ticket's thread."""
    ROOM = "room"
    """Tells the agents ``text`` in a team room, outside of threads."""
    REDACT = "redact"
    """Deletes the relayed copies of a message that the person deleted."""


@dataclass(frozen=True, slots=True)
class Queued:
    """A row to be put into the outbox.

    Attributes:
        key: names what is sent, unique, derived from the event that is its cause; the transaction id is made of it.
        event_id: the message that it is about.
    """

    kind: Kind
    key: str
    event_id: str | None = None
    ticket_id: int | None = None
    user_id: str | None = None
    room_id: str | None = None
    text: str | None = None

    @property
    def lane(self) -> str:
        """Rows of one lane leave in order; a lane is a person's side, a ticket's thread or a team room."""
        if self.kind in {Kind.SAY, Kind.RELAY_OUT}:
            return f"person {self.user_id}"
        return f"room {self.room_id}" if self.kind is Kind.ROOM else f"ticket {self.ticket_id}"


@dataclass(frozen=True, slots=True)
class OutboxRow:
    """A row that is to be sent."""

    id: int
    queued: Queued
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Sent:
    """An event of ours that the homeserver took."""

    event_id: str
    room_id: str


async def queue(engine: AsyncEngine, connection: AsyncConnection, rows: Sequence[Queued], at: datetime) -> None:
    """Adds rows in the caller's transaction; a row with the same key is added once."""
    for row in rows:
        insert = insert_into(engine, OUTBOX).values(
            lane=row.lane,
            key=row.key,
            kind=row.kind.value,
            created_at=to_milliseconds(at),
            event_id=row.event_id,
            ticket_id=row.ticket_id,
            user_id=row.user_id,
            room_id=row.room_id,
            text=row.text,
        )
        await connection.execute(insert.on_conflict_do_nothing(index_elements=["key"]))


class Outbox:
    """Rows that wait, and what becomes of them."""

    def __init__(self, engine: AsyncEngine, own_user_id: str) -> None:
        self._engine = engine
        self._own_user_id = own_user_id

    async def lanes(self) -> list[str]:
        """The lanes that have rows."""
        query = sa.select(OUTBOX.c.lane).group_by(OUTBOX.c.lane).order_by(sa.func.min(OUTBOX.c.id))
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def first(self, lane: str) -> OutboxRow | None:
        """The oldest row of a lane."""
        query = sa.select(OUTBOX).where(OUTBOX.c.lane == lane).order_by(OUTBOX.c.id).limit(1)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        queued = Queued(
            kind=Kind(row.kind),
            key=row.key,
            event_id=row.event_id,
            ticket_id=row.ticket_id,
            user_id=row.user_id,
            room_id=row.room_id,
            text=row.text,
        )
        return OutboxRow(row.id, queued, from_milliseconds(row.created_at))

    async def drop(self, row: OutboxRow) -> None:
        """Removes a row that nothing is left to do for."""
        async with self._engine.begin() as connection:
            await connection.execute(OUTBOX.delete().where(OUTBOX.c.id == row.id))

    async def said(self, row: OutboxRow, sent: Sent, at: datetime) -> None:
        """Records a notice of ours as sent; the first event of a thread becomes the ticket's root."""
        ticket = TICKET.c.id == row.queued.ticket_id
        async with self._engine.begin() as connection:
            await connection.execute(OUTBOX.delete().where(OUTBOX.c.id == row.id))
            if row.queued.kind is Kind.ROOT:
                await connection.execute(TICKET.update().where(ticket).values(root_event_id=sent.event_id))
            # A ticket may have been erased since; the notice is then recorded without it.
            ticket_id = (await connection.execute(sa.select(TICKET.c.id).where(ticket))).scalar_one_or_none()
            notice = insert_into(self._engine, MESSAGE).values(
                event_id=sent.event_id,
                room_id=sent.room_id,
                sender=self._own_user_id,
                ticket_id=ticket_id,
                direction=Direction.NOTICE,
                received_at=to_milliseconds(at),
            )
            await connection.execute(notice.on_conflict_do_nothing(index_elements=["event_id"]))

    async def relayed(
        self, row: OutboxRow, copies: Sequence[Sent], at: datetime, *, then: Sequence[Queued] = ()
    ) -> None:
        """Records a message as relayed and drops its content; ``then`` follows in the same transaction."""
        async with self._engine.begin() as connection:
            await connection.execute(OUTBOX.delete().where(OUTBOX.c.id == row.id))
            await self._settle(connection, row, {"relayed_at": to_milliseconds(at)})
            for copy in copies:
                insert = insert_into(self._engine, RELAYED_COPY).values(
                    relayed_event_id=copy.event_id,
                    event_id=row.queued.event_id,
                    room_id=copy.room_id,
                    sent_at=to_milliseconds(at),
                )
                await connection.execute(insert.on_conflict_do_nothing(index_elements=["relayed_event_id"]))
            await queue(self._engine, connection, then, at)

    async def not_relayed(self, row: OutboxRow, at: datetime, *, then: Sequence[Queued]) -> None:
        """Gives a message up and drops its content; an answer then counts as never given."""
        changes = {"direction": "undelivered"} if row.queued.kind is Kind.RELAY_OUT else {}
        async with self._engine.begin() as connection:
            await connection.execute(OUTBOX.delete().where(OUTBOX.c.id == row.id))
            await self._settle(connection, row, changes)
            await queue(self._engine, connection, then, at)

    @staticmethod
    async def _settle(connection: AsyncConnection, row: OutboxRow, changes: dict[str, Any]) -> None:
        message = MESSAGE.c.event_id == row.queued.event_id
        await connection.execute(MESSAGE.update().where(message).values(pending_content=None, **changes))

    async def copies(self, event_id: str) -> list[Sent]:
        """The copies of a message that were sent."""
        query = sa.select(RELAYED_COPY).where(RELAYED_COPY.c.event_id == event_id)
        async with self._engine.connect() as connection:
            return [Sent(row.relayed_event_id, row.room_id) for row in await connection.execute(query)]
