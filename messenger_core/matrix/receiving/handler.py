"""What a service does with what its session receives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from messenger_core.matrix.events import Invitation, ReceivedEvent, ToSend


class EventHandler(Protocol):
    """A service's own part. Events of one room come one after the other, those of several rooms side by side."""

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        """Handles one event of somebody else.

        It is called again after a failure or a kill, so what it does by itself must be idempotent by ``event_id``.
        What it returns is written down in the transaction that ends the event, and sent once.
        """
        ...

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Decides on an invitation; called again after a failure or a kill, so it must be idempotent."""
        ...
