"""Store: tickets as the agents work on them. Each step and all that follows from it is one transaction."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge_bot.rules.conversation import Text
from bridge_bot.rules.messages import AgentText, Direction
from bridge_bot.rules.promise import Answer, Block, blocks
from bridge_bot.rules.tickets import Ticket
from bridge_bot.store.outbox import Kind, Queued, queue
from bridge_bot.store.tables import CONVERSATION, MESSAGE, TICKET
from bridge_bot.store.ticket_rows import Message, insert_message, one_ticket, open_ticket
from messenger_core.calendar_periods import from_milliseconds, to_milliseconds


class Tickets:
    """Tickets, the agents' answers and notes, and the clock."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def get(self, ticket_id: int) -> Ticket | None:
        """A ticket by its key in the database."""
        return await self._one(TICKET.c.id == ticket_id)

    async def of_thread(self, room_id: str, root_event_id: str) -> Ticket | None:
        """The ticket of a thread."""
        return await self._one(TICKET.c.room_id == room_id, TICKET.c.root_event_id == root_event_id)

    async def of_message(self, room_id: str, event_id: str) -> Ticket | None:
        """The ticket that an event of a team room belongs to."""
        owner = sa.select(MESSAGE.c.ticket_id).where(MESSAGE.c.event_id == event_id, MESSAGE.c.room_id == room_id)
        return await self._one(TICKET.c.id == owner.scalar_subquery())

    async def open_of(self, user_id: str) -> Ticket | None:
        """The person's open ticket."""
        async with self._engine.connect() as connection:
            return await open_ticket(connection, user_id)

    async def _one(self, *conditions: sa.ColumnElement[bool]) -> Ticket | None:
        async with self._engine.connect() as connection:
            return await one_ticket(connection, *conditions)

    async def begin_thread_in(self, ticket_id: int, room_id: str) -> None:
        """Fixes the team room of a ticket before its thread is begun there."""
        unset = sa.and_(TICKET.c.id == ticket_id, TICKET.c.room_id.is_(None))
        async with self._engine.begin() as connection:
            await connection.execute(TICKET.update().where(unset).values(room_id=room_id))

    async def message(self, event_id: str) -> Message | None:
        """A message that waits to be relayed, with its content; None if nothing is left to relay."""
        query = sa.select(MESSAGE).where(MESSAGE.c.event_id == event_id, MESSAGE.c.pending_content.is_not(None))
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        if row is None:
            return None
        content: dict[str, Any] = json.loads(row.pending_content)
        return Message(row.event_id, row.room_id, row.sender, from_milliseconds(row.received_at), content)

    async def clock(self, ticket: Ticket, as_of: datetime) -> list[Block]:
        """The ticket's blocks, seen at ``as_of``."""
        query = sa.select(MESSAGE).where(
            MESSAGE.c.ticket_id == ticket.id, MESSAGE.c.direction.in_([Direction.IN, Direction.OUT])
        )
        async with self._engine.connect() as connection:
            rows = list(await connection.execute(query))
        received = [from_milliseconds(row.received_at) for row in rows if row.direction == Direction.IN]
        answers = [answer_of(row) for row in rows if row.direction == Direction.OUT]
        return blocks(received, answers, closed_at=ticket.closed_at, as_of=as_of)

    async def take_answer(self, message: Message, ticket: Ticket, at: datetime) -> None:
        """Notes an agent's answer and queues it for the person."""
        relay = Queued(
            Kind.RELAY_OUT,
            f"answer {message.event_id}",
            event_id=message.event_id,
            ticket_id=ticket.id,
            user_id=ticket.user_id,
        )
        async with self._engine.begin() as connection:
            if await self._insert(connection, message, Direction.OUT, ticket, keep_content=True):
                await self._hint(connection, ticket, hinted=False)
                await queue(self._engine, connection, [relay], at)

    async def take_note(
        self, message: Message, ticket: Ticket | None, at: datetime, *, notice: AgentText | None
    ) -> None:
        """Notes something internal; ``notice`` (a key of the catalogue) is what the agents are told about it."""
        async with self._engine.begin() as connection:
            if (
                not await self._insert(connection, message, Direction.NOTE, ticket, keep_content=False)
                or notice is None
            ):
                return
            key = f"notice {message.event_id}"
            if ticket is None:
                row = Queued(Kind.ROOM, key, room_id=message.room_id, text=notice)
            else:
                row = Queued(Kind.THREAD, key, ticket_id=ticket.id, event_id=message.event_id, text=notice)
                await self._hint(connection, ticket, hinted=True)
            await queue(self._engine, connection, [row], at)

    async def close(self, message: Message, ticket: Ticket, at: datetime) -> None:
        """An agent closed the ticket; a reason, which can be about a person's health, stays in the thread alone."""
        async with self._engine.begin() as connection:
            if not await self._insert(connection, message, Direction.NOTE, ticket, keep_content=False):
                return
            if await self._close(connection, ticket, at, notice=AgentText.TICKET_CLOSED):
                farewell = Queued(
                    Kind.SAY,
                    f"closed {message.event_id}",
                    ticket_id=ticket.id,
                    user_id=ticket.user_id,
                    text=Text.TICKET_CLOSED_PERSON,
                )
                await queue(self._engine, connection, [farewell], at)

    async def membership_ended(self, user_id: str, at: datetime) -> None:
        """Closes the person's open ticket and drops what waited for a topic."""
        async with self._engine.begin() as connection:
            kept = sa.and_(
                MESSAGE.c.sender == user_id, MESSAGE.c.direction == Direction.IN, MESSAGE.c.ticket_id.is_(None)
            )
            await connection.execute(
                MESSAGE.update().where(kept).values(direction=Direction.LAPSED, pending_content=None)
            )
            ticket = await open_ticket(connection, user_id)
            if ticket is not None:
                await self._close(connection, ticket, at, notice=AgentText.TICKET_CLOSED_MEMBERSHIP)

    async def _insert(
        self,
        connection: AsyncConnection,
        message: Message,
        direction: Direction,
        ticket: Ticket | None,
        *,
        keep_content: bool,
    ) -> bool:
        return await insert_message(
            self._engine,
            connection,
            message,
            direction=direction,
            ticket_id=ticket.id if ticket else None,
            keep_content=keep_content,
        )

    @staticmethod
    async def _hint(connection: AsyncConnection, ticket: Ticket, *, hinted: bool) -> None:
        await connection.execute(TICKET.update().where(TICKET.c.id == ticket.id).values(note_hinted=hinted))

    async def _close(self, connection: AsyncConnection, ticket: Ticket, at: datetime, *, notice: AgentText) -> bool:
        still_open = sa.and_(TICKET.c.id == ticket.id, TICKET.c.closed_at.is_(None))
        closing = TICKET.update().where(still_open).values(closed_at=to_milliseconds(at))
        if (await connection.execute(closing)).rowcount != 1:
            return False
        person = CONVERSATION.c.user_id == ticket.user_id
        await connection.execute(CONVERSATION.update().where(person).values(topic=None))
        row = Queued(Kind.THREAD, f"closing {ticket.id} {to_milliseconds(at)}", ticket_id=ticket.id, text=notice)
        await queue(self._engine, connection, [row], at)
        return True


def answer_of(row: sa.Row[Any]) -> Answer:
    """A row of an agent's answer."""
    delivered = None if row.relayed_at is None else from_milliseconds(row.relayed_at)
    return Answer(row.event_id, from_milliseconds(row.received_at), delivered)
