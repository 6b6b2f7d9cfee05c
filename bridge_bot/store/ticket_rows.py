"""Store: rows of tickets and messages as the domain's words, shared by the classes that write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge_bot.rules.messages import Direction
from bridge_bot.rules.tickets import Ticket
from bridge_bot.store.tables import MESSAGE, TICKET
from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived.

    Attributes:
        received_at: when the homeserver took it, or when it was first seen, whichever is earlier.
        content: the event's content, kept only while it waits to be relayed.
    """

    event_id: str
    room_id: str
    sender: str
    received_at: datetime
    content: Mapping[str, Any]


def ticket_of(row: sa.Row[Any]) -> Ticket:
    """A row of the table ``ticket``."""
    return Ticket(
        id=row.id,
        user_id=row.user_id,
        topic=row.topic,
        team=row.team,
        opened_at=from_milliseconds(row.opened_at),
        room_id=row.room_id,
        root_event_id=row.root_event_id,
        closed_at=None if row.closed_at is None else from_milliseconds(row.closed_at),
        note_hinted=row.note_hinted,
    )


async def one_ticket(connection: AsyncConnection, *conditions: sa.ColumnElement[bool]) -> Ticket | None:
    """The ticket that meets the conditions, the newest if there are several."""
    query = sa.select(TICKET).where(*conditions).order_by(TICKET.c.id.desc()).limit(1)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else ticket_of(row)


async def open_ticket(connection: AsyncConnection, user_id: str) -> Ticket | None:
    """The person's open ticket."""
    return await one_ticket(connection, TICKET.c.user_id == user_id, TICKET.c.closed_at.is_(None))


async def insert_message(
    engine: AsyncEngine,
    connection: AsyncConnection,
    message: Message,
    *,
    direction: Direction,
    ticket_id: int | None,
    keep_content: bool,
) -> bool:
    """Adds a message in the caller's transaction; False if it was added before."""
    row = insert_into(engine, MESSAGE).values(
        event_id=message.event_id,
        room_id=message.room_id,
        sender=message.sender,
        ticket_id=ticket_id,
        direction=direction,
        received_at=to_milliseconds(message.received_at),
        pending_content=json.dumps(dict(message.content)) if keep_content else None,
    )
    return (await connection.execute(row.on_conflict_do_nothing(index_elements=["event_id"]))).rowcount == 1
