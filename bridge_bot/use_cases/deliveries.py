"""Sends one row of the outbox: notices, the thread's first message, and messages and files in both directions."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from bridge_bot.rules.agent_commands import Answer, read_agent_message
from bridge_bot.rules.conversation import Text
from bridge_bot.rules.message_content import (
    caption_of,
    is_file,
    notice,
    replaces,
    text_of,
    thread_relation,
    with_emphasized_first_line,
)
from bridge_bot.rules.messages import AgentText
from bridge_bot.rules.promise import PROMISE
from bridge_bot.rules.quarters import quarter_of
from bridge_bot.rules.tickets import Ticket
from bridge_bot.store.conversations import Conversations
from bridge_bot.store.outbox import Kind, Outbox, OutboxRow, Queued, Sent
from bridge_bot.store.support_rooms import RoomState, SupportRooms
from bridge_bot.store.team_rooms import TeamRooms
from bridge_bot.store.ticket_rows import Message
from bridge_bot.store.tickets import Tickets
from bridge_bot.use_cases.agent_rights import AgentRights
from bridge_bot.use_cases.homeserver import Homeserver
from bridge_bot.use_cases.matrix_account import MatrixAccount
from bridge_bot.use_cases.phrases import Phrases
from messenger_core.clock import Clock
from messenger_core.matrix import FileUnreadable, SendFailed

_NEVER_TAKEN = frozenset({"M_TOO_LARGE", "M_BAD_JSON"})
"""Refusals of the content itself: sent again, it would be refused again."""

logger = logging.getLogger(__name__)


class NotYet(Exception):  # noqa: N818 - reads as what happened
    """Something that the row needs is not there yet; it is tried again."""


class Deliveries:
    """Sends rows; every send has a key of its own, so that a repetition after a kill is not sent twice."""

    def __init__(
        self,
        *,
        account: MatrixAccount,
        homeserver: Homeserver,
        rights: AgentRights,
        outbox: Outbox,
        tickets: Tickets,
        conversations: Conversations,
        support_rooms: SupportRooms,
        team_rooms: TeamRooms,
        phrases: Phrases,
        clock: Clock,
    ) -> None:
        self._account = account
        self._homeserver = homeserver
        self._rights = rights
        self._outbox = outbox
        self._tickets = tickets
        self._conversations = conversations
        self._support_rooms = support_rooms
        self._team_rooms = team_rooms
        self._phrases = phrases
        self._clock = clock
        self._send = {
            Kind.SAY: self._say,
            Kind.ROOT: self._root,
            Kind.RELAY_IN: self._relay_in,
            Kind.RELAY_OUT: self._relay_out,
            Kind.THREAD: self._thread_notice,
            Kind.ROOM: self._room_notice,
            Kind.REDACT: self._redact,
        }

    async def deliver(self, row: OutboxRow) -> None:
        """Sends a row and records it as sent.

        Raises:
            NotYet: if something that it needs is missing.
            SendFailed: if the homeserver refused, and may take it later.
            CallFailed: if the homeserver cannot be asked who the person is.
        """
        try:
            await self._send[row.queued.kind](row)
        except SendFailed as refusal:
            # A ticket cannot do without its thread: that is tried again.
            if refusal.errcode not in _NEVER_TAKEN or row.queued.kind is Kind.ROOT:
                raise
            # Kept, it would hold up everything behind it for ever.
            await self._give_up(row)

    async def _give_up(self, row: OutboxRow) -> None:
        """Settles what the homeserver will never take, and tells the side that wrote it."""
        if row.queued.kind is Kind.RELAY_OUT:
            await self._outbox.not_relayed(row, self._clock(), then=[self._follow_up(row, AgentText.ANSWER_NOT_TAKEN)])
        elif row.queued.kind is Kind.RELAY_IN:
            to_person = self._to_writer(row, Text.MESSAGE_NOT_TAKEN_PERSON)
            then = [self._follow_up(row, AgentText.MESSAGE_NOT_TAKEN), to_person]
            await self._outbox.not_relayed(row, self._clock(), then=then)
        else:
            logger.error("a row of kind %s is given up: the homeserver never takes it", row.queued.kind)
            await self._outbox.drop(row)

    async def _say(self, row: OutboxRow) -> None:
        room_id = await self._room_of_person(row)
        if room_id is None or row.queued.user_id is None or row.queued.text is None:
            await self._outbox.drop(row)
            return
        ticket = await self._ticket(row)
        standing = await self._conversations.standing(row.queued.user_id)
        text = self._phrases.to_person(
            row.queued.text,
            topic=ticket.topic if ticket else standing.topic,
            number=ticket.number if ticket else await self._open_number(row.queued.user_id),
            due_at=await self._due_at(ticket) if ticket else None,
            kept=standing.kept,
        )
        event_id = (await self._account.send(room_id, notice(text), key=row.queued.key)).event_id
        await self._outbox.said(row, Sent(event_id, room_id), self._clock())

    async def _open_number(self, user_id: str) -> str | None:
        ticket = await self._tickets.open_of(user_id)
        return ticket.number if ticket else None

    async def _room_of_person(self, row: OutboxRow) -> str | None:
        """The support room that the row names, or else the person's current one; None if it is not used any more."""
        assert row.queued.user_id is not None
        if row.queued.room_id is not None:
            named = await self._support_rooms.find(row.queued.room_id)
            return named.room_id if named is not None and named.state is RoomState.JOINED else None
        room = await self._support_rooms.current(row.queued.user_id)
        if room is not None and room.state is not RoomState.JOINED:
            raise NotYet("the support room is not ready")
        return room.room_id if room else None

    async def _root(self, row: OutboxRow) -> None:
        ticket, now = await self._ticket(row), self._clock()
        if ticket is None or ticket.root_event_id is not None:
            await self._outbox.drop(row)
            return
        room_id = ticket.room_id or await self._team_rooms.room_of(ticket.team, quarter_of(now))
        if room_id is None:
            raise NotYet("the team's room of this quarter is not ready")
        await self._tickets.begin_thread_in(ticket.id, room_id)
        person = await self._homeserver.account(ticket.user_id)
        name = person.display_name if person else ""
        text = self._phrases.thread_root(ticket, name=name, due_at=await self._due_at(ticket), now=now)
        event_id = (await self._account.send(room_id, with_emphasized_first_line(text), key=row.queued.key)).event_id
        await self._outbox.said(row, Sent(event_id, room_id), now)

    async def _due_at(self, ticket: Ticket) -> datetime:
        """Until when the ticket's first messages are to be answered; they may all be deleted by now."""
        blocks = await self._tickets.clock(ticket, self._clock())
        return blocks[0].due_at if blocks else ticket.opened_at + PROMISE

    async def _relay_in(self, row: OutboxRow) -> None:
        ticket, message = await self._ticket(row), await self._message(row)
        if ticket is None or message is None:
            await self._outbox.drop(row)
            return
        room_id, relation = self._thread(ticket)
        if is_file(message.content):
            caption = caption_of(message.content)
            text = {"msgtype": "m.text", "body": caption, "m.relates_to": relation} if caption else None
            await self._relay_file(row, message, room_id, caption=text, relation=relation)
            return
        body = self._phrases.of_person(text_of(message.content), corrects=replaces(message.content) is not None)
        content = {"msgtype": "m.text", "body": body, "m.relates_to": relation}
        event_id = (await self._account.send(room_id, content, key=row.queued.key)).event_id
        await self._outbox.relayed(row, [Sent(event_id, room_id)], self._clock())

    async def _relay_out(self, row: OutboxRow) -> None:
        message = await self._message(row)
        if message is None:
            await self._outbox.drop(row)
            return
        file = is_file(message.content)
        meaning = read_agent_message(caption_of(message.content) if file else text_of(message.content), is_file=file)
        ticket = await self._ticket(row)
        # Whatever waited for an outage to end is sent only for those who may still answer.
        if ticket is None or not await self._rights.may_act(ticket.team, message.sender):
            await self._outbox.not_relayed(row, self._clock(), then=[self._follow_up(row, AgentText.ANSWER_OF_NOBODY)])
            return
        room_id = await self._room_of_person(row)
        if room_id is None or not isinstance(meaning, Answer):
            await self._outbox.not_relayed(
                row, self._clock(), then=[self._follow_up(row, AgentText.ANSWER_UNDELIVERED)]
            )
            return
        text = {"msgtype": "m.text", "body": self._phrases.answer(meaning.text)} if meaning.text else None
        if file:
            await self._relay_file(row, message, room_id, caption=text, relation=None)
            return
        assert text is not None
        sent = await self._account.send(room_id, text, key=row.queued.key)
        await self._answered(row, [Sent(sent.event_id, room_id)], sent.unreached)

    async def _relay_file(
        self,
        row: OutboxRow,
        message: Message,
        room_id: str,
        *,
        caption: Mapping[str, Any] | None,
        relation: Mapping[str, Any] | None,
    ) -> None:
        copies: list[Sent] = []
        try:
            async with self._account.fetch(message.room_id, message.content, message.received_at) as file:
                if caption is not None:
                    sent = await self._account.send(room_id, caption, key=f"{row.queued.key} caption")
                    copies.append(Sent(sent.event_id, room_id))
                # Without the caption that the event itself has: what an agent writes there is for the bot alone.
                sent = await self._account.send_file(room_id, file, key=row.queued.key, relation=relation)
                copies.append(Sent(sent.event_id, room_id))
        except FileUnreadable:
            # Any other failure is an outage, which is waited out: the file is still there afterwards.
            await self._outbox.not_relayed(row, self._clock(), then=self._file_lost(row))
            return
        if row.queued.kind is Kind.RELAY_OUT:
            await self._answered(row, copies, sent.unreached)
        else:
            await self._outbox.relayed(row, copies, self._clock())

    async def _answered(self, row: OutboxRow, copies: Sequence[Sent], unreached: int) -> None:
        told = [self._follow_up(row, AgentText.ANSWER_DELIVERED)]
        if unreached:
            told.append(self._follow_up(row, AgentText.ANSWER_NOT_READABLE_EVERYWHERE, "unreached"))
        await self._outbox.relayed(row, copies, self._clock(), then=told)

    def _file_lost(self, row: OutboxRow) -> list[Queued]:
        if row.queued.kind is Kind.RELAY_OUT:
            return [self._follow_up(row, AgentText.FILE_NOT_SENT)]
        return [self._follow_up(row, AgentText.FILE_NOT_READABLE), self._to_writer(row, Text.FILE_NOT_READABLE_PERSON)]

    @staticmethod
    def _to_writer(row: OutboxRow, text: str) -> Queued:
        """What the person is told about a message of hers that did not reach the team."""
        key = f"{row.queued.key} lost"
        return Queued(Kind.SAY, key, ticket_id=row.queued.ticket_id, user_id=row.queued.user_id, text=text)

    @staticmethod
    def _follow_up(row: OutboxRow, text: str, about: str = "notice") -> Queued:
        """What the agents are told about what became of a message."""
        key = f"{row.queued.key} {about}"
        return Queued(Kind.THREAD, key, ticket_id=row.queued.ticket_id, event_id=row.queued.event_id, text=text)

    async def _thread_notice(self, row: OutboxRow) -> None:
        ticket = await self._ticket(row)
        if ticket is None or row.queued.text is None:
            await self._outbox.drop(row)
            return
        room_id, relation = self._thread(ticket)
        if row.queued.text == AgentText.ANSWER_DELIVERED:
            text = await self._delivered(row, ticket)
        else:
            text = self._phrases.to_agents(row.queued.text)
        content = notice(text) | {"m.relates_to": relation}
        event_id = (await self._account.send(room_id, content, key=row.queued.key)).event_id
        await self._outbox.said(row, Sent(event_id, room_id), self._clock())

    async def _delivered(self, row: OutboxRow, ticket: Ticket) -> str:
        blocks = await self._tickets.clock(ticket, self._clock())
        own = (block for block in blocks if block.answer and block.answer.event_id == row.queued.event_id)
        block = next(own, None)
        return self._phrases.delivered(block, (block.answered_at if block else None) or row.created_at)

    async def _room_notice(self, row: OutboxRow) -> None:
        if row.queued.room_id is None or row.queued.text is None:
            await self._outbox.drop(row)
            return
        content = notice(self._phrases.to_agents(row.queued.text))
        event_id = (await self._account.send(row.queued.room_id, content, key=row.queued.key)).event_id
        await self._outbox.said(row, Sent(event_id, row.queued.room_id), self._clock())

    async def _redact(self, row: OutboxRow) -> None:
        assert row.queued.event_id is not None
        for copy in await self._outbox.copies(row.queued.event_id):
            await self._account.redact(copy.room_id, copy.event_id, key=f"{row.queued.key} {copy.event_id}")
        await self._outbox.drop(row)

    async def _ticket(self, row: OutboxRow) -> Ticket | None:
        return None if row.queued.ticket_id is None else await self._tickets.get(row.queued.ticket_id)

    async def _message(self, row: OutboxRow) -> Message | None:
        return None if row.queued.event_id is None else await self._tickets.message(row.queued.event_id)

    @staticmethod
    def _thread(ticket: Ticket) -> tuple[str, dict[str, Any]]:
        if ticket.room_id is None or ticket.root_event_id is None:
            raise NotYet("the ticket's thread is not begun")
        return ticket.room_id, thread_relation(ticket.root_event_id)
