"""Receives what agents write in the team rooms. Whatever is not clearly an answer stays there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from bridge_bot.rules.agent_commands import Answer, Close, Note, UnknownCommand, read_agent_message
from bridge_bot.rules.message_content import caption_of, is_file, is_message, media_of, replaces, text_of
from bridge_bot.rules.messages import AgentText
from bridge_bot.rules.tickets import Ticket
from bridge_bot.store.ticket_rows import Message
from bridge_bot.store.tickets import Tickets
from bridge_bot.use_cases.agent_rights import AgentRights
from bridge_bot.use_cases.arrival import arrived
from bridge_bot.use_cases.matrix_account import HOMESERVER_FAULTS, reason_of
from messenger_core.clock import Clock
from messenger_core.matrix import MediaLedger, ReceivedEvent, SendFailed, refusal_of_device


class AgentSide:
    """Events of team rooms."""

    def __init__(
        self,
        *,
        rights: AgentRights,
        require_signed_devices: bool,
        tickets: Tickets,
        ledger: MediaLedger,
        clock: Clock,
    ) -> None:
        self._rights = rights
        self._require_signed_devices = require_signed_devices
        self._tickets = tickets
        self._ledger = ledger
        self._clock = clock

    async def handle(self, team: str, event: ReceivedEvent) -> None:
        """Handles one event of the team's room; repeating it changes nothing."""
        if not is_message(event):
            return
        message = arrived(event, self._clock())
        for address in media_of(event.content):
            await self._ledger.record(address, event.room_id, message.received_at)
        edited = replaces(event.content)
        if edited is not None:
            ticket = await self._tickets.of_message(event.room_id, edited)
            notice = None if ticket is None else AgentText.EDIT_NOT_SENT
            await self._tickets.take_note(message, ticket, self._clock(), notice=notice)
            return
        ticket = None
        if event.thread_root is not None:
            ticket = await self._tickets.of_thread(event.room_id, event.thread_root)
        # Only an agent of this team is heard, and only encrypted: in clear, the homeserver could speak for them.
        heard = event.encrypted and self._rights.is_listed(team, event.sender)
        await self._message(message, ticket, heard=heard, refusal=partial(self._refusal, team, event))

    async def _refusal(self, team: str, event: ReceivedEvent) -> AgentText | None:
        """Why a command does not count (a key of the catalogue), None if it does.

        Raises:
            SendFailed: if the homeserver cannot be asked who the sender is; the event is handled again later.
        """
        refusal = refusal_of_device(event.sender_trust) if self._require_signed_devices else None
        if refusal is not None:
            return AgentText(refusal.value)
        try:
            # A command may be read long after it was written, when its key comes late.
            return None if await self._rights.may_act(team, event.sender) else AgentText.AGENT_ENDED
        except HOMESERVER_FAULTS as fault:
            raise SendFailed(f"who an agent is cannot be asked: {reason_of(fault)}") from None

    async def _message(
        self,
        message: Message,
        ticket: Ticket | None,
        *,
        heard: bool,
        refusal: Callable[[], Awaitable[AgentText | None]],
    ) -> None:
        now = self._clock()
        file = is_file(message.content)
        text = caption_of(message.content) if file else text_of(message.content)
        meaning = read_agent_message(text, is_file=file) if heard else Note()
        if ticket is None:
            notice = None if isinstance(meaning, Note) else AgentText.NOT_IN_THREAD
            await self._tickets.take_note(message, None, now, notice=notice)
        elif isinstance(meaning, Note):
            await self._tickets.take_note(message, ticket, now, notice=await self._note_hint(ticket))
        elif (reason := await refusal()) is not None:
            await self._tickets.take_note(message, ticket, now, notice=reason)
        elif isinstance(meaning, UnknownCommand):
            await self._tickets.take_note(message, ticket, now, notice=AgentText.UNKNOWN_COMMAND)
        elif ticket.closed_at is not None:
            await self._tickets.take_note(message, ticket, now, notice=AgentText.TICKET_IS_CLOSED)
        elif isinstance(meaning, Answer):
            await self._tickets.take_answer(message, ticket, now)
        else:
            await self._close(message, ticket, meaning)

    async def _note_hint(self, ticket: Ticket) -> AgentText | None:
        """Says once in a row of notes that they stay internal, as long as the person waits for an answer."""
        if ticket.note_hinted or not await self._person_waits(ticket):
            return None
        return AgentText.INTERNAL_NOTE

    async def _person_waits(self, ticket: Ticket) -> bool:
        return any(block.waits for block in await self._tickets.clock(ticket, self._clock()))

    async def _close(self, message: Message, ticket: Ticket, close: Close) -> None:
        waits = await self._person_waits(ticket)
        if waits and not close.reason:
            await self._tickets.take_note(message, ticket, self._clock(), notice=AgentText.CLOSE_NEEDS_REASON)
            return
        await self._tickets.close(message, ticket, self._clock())
