"""Receives what insured people write, edit and delete in their support rooms."""

from __future__ import annotations

from collections.abc import Sequence

from bridge_bot.rules.conversation import Incoming, Text, decide
from bridge_bot.rules.message_content import is_file, is_message, media_of, text_of
from bridge_bot.rules.topics import Topic
from bridge_bot.store.conversations import Conversations
from bridge_bot.store.support_rooms import RoomState, SupportRoom, SupportRooms
from bridge_bot.use_cases.arrival import arrived
from messenger_core.clock import Clock
from messenger_core.matrix import MediaLedger, ReceivedEvent


class PersonSide:
    """Events of support rooms; only the person herself is heard there."""

    def __init__(
        self,
        *,
        topics: Sequence[Topic],
        conversations: Conversations,
        rooms: SupportRooms,
        ledger: MediaLedger,
        own_user_id: str,
        clock: Clock,
    ) -> None:
        self._topics = topics
        self._conversations = conversations
        self._rooms = rooms
        self._ledger = ledger
        self._own_user_id = own_user_id
        self._clock = clock

    async def handle(self, room: SupportRoom, event: ReceivedEvent) -> None:
        """Handles one event; repeating it changes nothing."""
        if event.type == "m.room.member":
            await self._membership(room, event)
        elif event.sender != room.user_id:
            return
        elif event.type == "m.room.redaction" and event.redacts is not None:
            await self._conversations.withdraw(event.event_id, event.redacts, event.sender, self._clock())
        elif is_message(event) and not await self._conversations.knows(event.event_id):
            await self._message(event)

    async def _membership(self, room: SupportRoom, event: ReceivedEvent) -> None:
        membership = event.content.get("membership")
        if membership in {"leave", "ban"} and event.state_key in {room.user_id, self._own_user_id}:
            if room.state in {RoomState.JOINED, RoomState.WAITING}:
                await self._rooms.ended(room.room_id, RoomState.LEFT)
        elif membership == "join" and event.state_key == room.user_id and room.state is RoomState.WAITING:
            await self._rooms.joined(room, self._clock())

    async def _message(self, event: ReceivedEvent) -> None:
        now = self._clock()
        message = arrived(event, now)
        for address in media_of(event.content):
            await self._ledger.record(address, event.room_id, message.received_at)
        if not event.encrypted:
            await self._conversations.refuse(message, Text.NOT_ENCRYPTED, now)
            return
        incoming = Incoming(None if is_file(event.content) else text_of(event.content))
        decision = decide(await self._conversations.standing(event.sender), incoming, self._topics)
        team = next((topic.team for topic in self._topics if topic.key == decision.open_ticket), None)
        await self._conversations.take_in(message, decision, team=team, at=now)
