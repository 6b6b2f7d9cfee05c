"""What a session hands to its service and takes from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from messenger_core.calendar_periods import from_milliseconds


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event of a room, decrypted if it was encrypted.

    Attributes:
        sent_at: when the sender's homeserver took it.
        encrypted: whether it was encrypted on the wire.
        state_key: None for an event that is not state.
        redacts: the event that a redaction deletes.
        thread_root: the root of the thread it stands in, if it does.
    """

    room_id: str
    event_id: str
    sender: str
    type: str
    content: Mapping[str, Any]
    sent_at: datetime
    encrypted: bool
    state_key: str | None
    redacts: str | None
    thread_root: str | None

    @classmethod
    def from_source(cls, room_id: str, source: Mapping[str, Any], *, encrypted: bool) -> ReceivedEvent:
        """Reads a Matrix event; fields of the wrong type count as absent, since anybody can send them."""
        content = source.get("content")
        content = content if isinstance(content, dict) else {}
        relation = content.get("m.relates_to")
        relation = relation if isinstance(relation, dict) else {}
        redacts = source.get("redacts", content.get("redacts"))
        root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
        sent_at = source.get("origin_server_ts")
        return cls(
            room_id=room_id,
            event_id=str(source.get("event_id")),
            sender=str(source.get("sender")),
            type=str(source.get("type")),
            content=content,
            sent_at=from_milliseconds(sent_at if isinstance(sent_at, int) else 0),
            encrypted=encrypted,
            state_key=source.get("state_key"),
            redacts=redacts if isinstance(redacts, str) else None,
            thread_root=root if isinstance(root, str) else None,
        )


@dataclass(frozen=True, slots=True)
class Invitation:
    """Somebody invited the account into a room."""

    room_id: str
    inviter: str


@dataclass(frozen=True, slots=True)
class FileToSend:
    """A file in clear, to be encrypted and sent.

    Attributes:
        data: its bytes.
        name: its name as people see it.
        media_type: its MIME type, e.g. ``application/pdf``.
    """

    data: bytes
    name: str
    media_type: str

    @property
    def message_type(self) -> str:
        """The ``msgtype`` that clients show it by."""
        kind = self.media_type.partition("/")[0]
        return f"m.{kind}" if kind in {"image", "audio", "video"} else "m.file"


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that the homeserver has, and the event that names it."""

    event_id: str
    mxc: str
