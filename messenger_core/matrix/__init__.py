"""An end-to-end encrypted Matrix account for a service: receive each event, send, relay files.

A service in twenty lines::

    class Echo:
        async def handle(self, event: ReceivedEvent) -> None:
            if event.type == "m.room.message":
                text = {"msgtype": "m.notice", "body": event.content["body"]}
                await session.send(event.room_id, text, key=f"echo {event.event_id}")

        async def handle_invitation(self, invitation: Invitation) -> None:
            await session.join(invitation.room_id)

    engine = await open_database("sqlite:///echo.db", "echo")
    session = MatrixSession(settings, engine)
    async with session:
        await session.run(Echo())

What it promises: events of a room are handled in order; an event whose handler failed or was killed is handled again,
so ``handle`` must be idempotent by ``event_id``; an event that cannot be decrypted waits for its key in the database;
what is sent with the same ``key`` is sent once, as long as the homeserver remembers the transaction (24 hours).
"""

from messenger_core.matrix.events import FileToSend, Invitation, ReceivedEvent, SentFile
from messenger_core.matrix.faults import FileUnreadable, SendFailed
from messenger_core.matrix.media_ledger import MediaLedger
from messenger_core.matrix.receiver import EventHandler
from messenger_core.matrix.session import MatrixSession
from messenger_core.matrix.settings import SessionSettings
from messenger_core.matrix.tables import create_session_tables

__all__ = [
    "EventHandler",
    "FileToSend",
    "FileUnreadable",
    "Invitation",
    "MatrixSession",
    "MediaLedger",
    "ReceivedEvent",
    "SendFailed",
    "SentFile",
    "SessionSettings",
    "create_session_tables",
]
