"""The moment at which something arrives, which no sender can move into the future."""

from __future__ import annotations

from datetime import datetime

from bridge_bot.store.ticket_rows import Message
from messenger_core.matrix import ReceivedEvent


def arrived(event: ReceivedEvent, first_seen: datetime) -> Message:
    """The event as a message of the store, received at ``first_seen`` at the latest."""
    return Message(
        event_id=event.event_id,
        room_id=event.room_id,
        sender=event.sender,
        received_at=min(event.sent_at, first_seen),
        content=event.content,
    )
