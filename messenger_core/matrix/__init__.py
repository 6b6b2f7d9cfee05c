"""An end-to-end encrypted Matrix account for a service: receive each event once, send each message once.

A service in twenty lines::

    class Echo:
        async def handle(self, event: ReceivedEvent) -> list[Message]:
            if event.type != "m.room.message" or "body" not in event.content:
                return []
            return [Message(event.room_id, {"msgtype": "m.notice", "body": event.content["body"]})]

        async def handle_invitation(self, invitation: Invitation) -> None:
            await session.join(invitation.room_id)

    # The package "echo" brings its migrations; the first two call messenger_core.matrix.store.migrations.
    engine = await open_database("sqlite:///echo.db", "echo")
    session = MatrixSession(settings, engine)
    async with session:
        await session.run(Echo())

Beside it, at any time: ``session.send(room_id, content, key=...)``, ``send_file``, ``fetch`` (a file piece by piece),
``redact``, ``room`` (its present state), ``create_room``, ``join``, ``leave``, ``invite``, ``remove``, ``waiting``
(events whose key has not come), ``figures`` and ``fingerprints``.

What it promises: each event is handled once as seen from outside and in order within its room, or is visibly waiting
for its key or set aside with a reason; each message appears once and in order within its room. Nothing of that depends
on memory: the process, the homeserver or both may be killed at any moment.
What matrix-nio's client does instead, row by row: ``docs/matrix-nio-pitfalls.md``.
"""

from messenger_core.matrix.events import (
    FileToSend,
    Invitation,
    Message,
    ReceivedEvent,
    Redaction,
    SentMessage,
    ToSend,
    WaitingEvent,
)
from messenger_core.matrix.faults import FileUnreadable, SendFailed
from messenger_core.matrix.media.incoming_file import IncomingFile
from messenger_core.matrix.receiving.handler import EventHandler
from messenger_core.matrix.rooms import Room
from messenger_core.matrix.session import MatrixSession
from messenger_core.matrix.settings import SessionSettings
from messenger_core.matrix.signatures.sender_trust import DeviceRefusal, DeviceTrust, refusal_of_device
from messenger_core.matrix.store.figures import SessionFigures, session_figures
from messenger_core.matrix.store.media_ledger import MediaLedger

__all__ = [
    "DeviceRefusal",
    "DeviceTrust",
    "EventHandler",
    "FileToSend",
    "FileUnreadable",
    "IncomingFile",
    "Invitation",
    "MatrixSession",
    "MediaLedger",
    "Message",
    "ReceivedEvent",
    "Redaction",
    "Room",
    "SendFailed",
    "SentMessage",
    "SessionFigures",
    "SessionSettings",
    "ToSend",
    "WaitingEvent",
    "refusal_of_device",
    "session_figures",
]
