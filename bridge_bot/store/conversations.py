"""Store: what insured people write. Each message and all that follows from it is one transaction."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bridge_bot.rules.conversation import Conversation, Decision, Placement, Text
from bridge_bot.rules.messages import Direction
from bridge_bot.store.outbox import Kind, Queued, queue
from bridge_bot.store.tables import CONVERSATION, MESSAGE, OUTBOX, TICKET
from bridge_bot.store.ticket_rows import Message, insert_message, open_ticket
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into

_DIRECTIONS = {Placement.COMMAND: Direction.CHOICE, Placement.KEPT: Direction.IN, Placement.RELAYED: Direction.IN}


def _kept(user_id: str) -> sa.ColumnElement[bool]:
    """The person's messages that wait for a topic."""
    return sa.and_(MESSAGE.c.sender == user_id, MESSAGE.c.direction == Direction.IN, MESSAGE.c.ticket_id.is_(None))


class Conversations:
    """Messages of insured people, before and in a ticket."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def knows(self, event_id: str) -> bool:
        """Whether a message was taken in before."""
        query = sa.select(MESSAGE.c.id).where(MESSAGE.c.event_id == event_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).first() is not None

    async def standing(self, user_id: str) -> Conversation:
        """Where the person's conversation stands."""
        topic = sa.select(CONVERSATION.c.topic).where(CONVERSATION.c.user_id == user_id)
        kept = sa.select(sa.func.count()).select_from(MESSAGE).where(_kept(user_id))
        async with self._engine.connect() as connection:
            return Conversation(
                topic=(await connection.execute(topic)).scalar_one_or_none(),
                ticket_open=await open_ticket(connection, user_id) is not None,
                kept=(await connection.execute(kept)).scalar_one(),
            )

    async def take_in(self, message: Message, decision: Decision, *, team: str | None, at: datetime) -> None:
        """Carries a decision out; a message that was taken in before changes nothing.

        Args:
            message: the person's message.
            decision: what ``rules.conversation.decide`` said about it.
            team: the team of the topic that a ticket is opened for.
            at: the present moment.
        """
        user_id = message.sender
        async with self._engine.begin() as connection:
            if not await insert_message(
                self._engine,
                connection,
                message,
                direction=_DIRECTIONS[decision.placement],
                ticket_id=None,
                keep_content=decision.placement is not Placement.COMMAND,
            ):
                return
            await self._set_topic(connection, user_id, decision.conversation.topic)
            ticket_id = None
            if decision.open_ticket is not None and team is not None:
                ticket_id = await self._open(connection, user_id, decision.open_ticket, team, at)
                await self._attach_kept(connection, user_id, ticket_id, at)
            elif decision.placement is Placement.RELAYED:
                ticket = await open_ticket(connection, user_id)
                assert ticket is not None
                ticket_id = ticket.id
                await self._attach_kept(connection, user_id, ticket_id, at)
            if ticket_id is not None:
                # The choice belongs to the ticket that it opened and is erased with it.
                own = MESSAGE.c.event_id == message.event_id
                await connection.execute(MESSAGE.update().where(own).values(ticket_id=ticket_id))
            if decision.tell is not None:
                tell = self._tell(message, decision.tell.value, ticket_id)
                await queue(self._engine, connection, [tell], at)

    async def refuse(self, message: Message, text: Text, at: datetime) -> None:
        """Notes a message that is not taken in, and tells the person why (``text`` is a key of the catalogue)."""
        async with self._engine.begin() as connection:
            if await insert_message(
                self._engine, connection, message, direction=Direction.REFUSED, ticket_id=None, keep_content=False
            ):
                await queue(self._engine, connection, [self._tell(message, text, None)], at)

    @staticmethod
    def _tell(message: Message, text: str, ticket_id: int | None) -> Queued:
        key = f"tell {message.event_id}"
        return Queued(Kind.SAY, key, user_id=message.sender, text=text, ticket_id=ticket_id)

    async def _set_topic(self, connection: AsyncConnection, user_id: str, topic: str | None) -> None:
        row = insert_into(self._engine, CONVERSATION).values(user_id=user_id, topic=topic)
        await connection.execute(row.on_conflict_do_update(index_elements=["user_id"], set_={"topic": topic}))

    async def _open(self, connection: AsyncConnection, user_id: str, topic: str, team: str, at: datetime) -> int:
        insert = TICKET.insert().values(
            user_id=user_id, topic=topic, team=team, opened_at=to_milliseconds(at), note_hinted=False
        )
        ticket_id = int((await connection.execute(insert.returning(TICKET.c.id))).scalar_one())
        root = Queued(Kind.ROOT, f"root {ticket_id} {to_milliseconds(at)}", ticket_id=ticket_id, user_id=user_id)
        await queue(self._engine, connection, [root], at)
        return ticket_id

    async def _attach_kept(self, connection: AsyncConnection, user_id: str, ticket_id: int, at: datetime) -> None:
        """Puts all messages that waited into the ticket, in the order in which they came."""
        query = sa.select(MESSAGE.c.event_id).where(_kept(user_id)).order_by(MESSAGE.c.id)
        waiting = list((await connection.execute(query)).scalars())
        await connection.execute(MESSAGE.update().where(_kept(user_id)).values(ticket_id=ticket_id))
        await connection.execute(TICKET.update().where(TICKET.c.id == ticket_id).values(note_hinted=False))
        relays = [
            Queued(Kind.RELAY_IN, f"relay {event_id}", event_id=event_id, ticket_id=ticket_id, user_id=user_id)
            for event_id in waiting
        ]
        await queue(self._engine, connection, relays, at)

    async def withdraw(self, redaction_id: str, event_id: str, sender: str, at: datetime) -> None:
        """The person deleted a message of hers: what waits is dropped, what was relayed is to be deleted as well."""
        own = sa.and_(MESSAGE.c.event_id == event_id, MESSAGE.c.sender == sender)
        async with self._engine.begin() as connection:
            row = (
                await connection.execute(sa.select(MESSAGE).where(own, MESSAGE.c.direction == Direction.IN))
            ).one_or_none()
            if row is None:
                return
            if row.relayed_at is None:
                relay = sa.and_(OUTBOX.c.event_id == event_id, OUTBOX.c.kind == Kind.RELAY_IN.value)
                await connection.execute(OUTBOX.delete().where(relay))
                await connection.execute(
                    MESSAGE.update().where(own).values(direction=Direction.WITHDRAWN, pending_content=None)
                )
            if row.ticket_id is not None:
                # Queued even if nothing was relayed yet: a copy may be on its way at this very moment.
                deletion = Queued(
                    Kind.REDACT, f"redact {redaction_id}", event_id=event_id, ticket_id=row.ticket_id, user_id=sender
                )
                await queue(self._engine, connection, [deletion], at)
