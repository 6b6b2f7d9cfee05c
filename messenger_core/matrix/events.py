"""What a session hands to its service and takes from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from messenger_core.calendar_periods import from_milliseconds
from messenger_core.matrix.signatures.sender_trust import DeviceTrust

# The last instant that a datetime can hold with room to spare; anybody may send any number.
_LAST_MS = 253_370_764_800_000
_LONGEST_ID = 255


def milliseconds_of(source: Mapping[str, Any]) -> int:
    """When the sender's homeserver took an event, bounded to what a date can be."""
    value = source.get("origin_server_ts")
    return min(max(value, 0), _LAST_MS) if isinstance(value, int) and not isinstance(value, bool) else 0


def id_of(value: object) -> str | None:
    """A value that may be the id of an event, a room or a person; None for what cannot be one."""
    if isinstance(value, str) and 0 < len(value) <= _LONGEST_ID and value.isascii() and value.isprintable():
        return value
    return None


def redacted_by(source: Mapping[str, Any]) -> str | None:
    """The event that a redaction deletes; room version 11 moved it into the content."""
    content = source.get("content")
    inside = content.get("redacts") if isinstance(content, dict) else None
    return id_of(source.get("redacts")) or id_of(inside)


def related(content: Mapping[str, Any], rel_type: str) -> str | None:
    """The event to which a content relates in a certain way (``m.thread``, ``m.replace``)."""
    relation = content.get("m.relates_to")
    if not isinstance(relation, dict) or relation.get("rel_type") != rel_type:
        return None
    return id_of(relation.get("event_id"))


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """One event of a room, decrypted if it was encrypted.

    Attributes:
        sent_at: when the sender's homeserver took it.
        encrypted: whether it was encrypted on the wire.
        state_key: None for an event that is not state.
        redacts: the event that a redaction deletes.
        thread_root: the root of the thread it stands in, if it does.
        replaces: the event that this one corrects. That both have the same sender is checked only if the other one is
            known: compare it with your own record.
        redacted: it was deleted before it could be handled; its content is empty, its type that of the wire.
        replaced_by: a correction by the same sender that was handled before this event could be read.
        sender_trust: how far the device that encrypted it can be taken for its sender's; a service decides what it
            asks for (a person's new phone is seldom signed at once, an agent's must be).
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
    replaces: str | None = None
    redacted: bool = False
    replaced_by: str | None = None
    sender_trust: DeviceTrust = DeviceTrust.UNKNOWN

    @classmethod
    def from_source(cls, room_id: str, source: Mapping[str, Any], *, encrypted: bool) -> ReceivedEvent:
        """Reads a Matrix event; fields of the wrong type count as absent, since anybody can send them."""
        content = source.get("content")
        content = content if isinstance(content, dict) else {}
        state_key = source.get("state_key")
        return cls(
            room_id=room_id,
            event_id=str(source.get("event_id")),
            sender=str(source.get("sender")),
            type=str(source.get("type")),
            content=content,
            sent_at=from_milliseconds(milliseconds_of(source)),
            encrypted=encrypted,
            state_key=state_key if isinstance(state_key, str) else None,
            # Only what the homeserver has checked deletes anything.
            redacts=redacted_by(source) if source.get("type") == "m.room.redaction" and not encrypted else None,
            thread_root=related(content, "m.thread"),
            replaces=related(content, "m.replace"),
        )


@dataclass(frozen=True, slots=True)
class WaitingEvent:
    """An event whose room key has not come yet.

    Attributes:
        since: when it was received; it has waited from then on.
    """

    room_id: str
    event_id: str
    sent_at: datetime
    since: datetime


@dataclass(frozen=True, slots=True)
class Message:
    """A message that a handler wants sent, as the content of ``m.room.message``; by itself it mentions nobody."""

    room_id: str
    content: Mapping[str, Any]


def mentioning_nobody(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content with an ``m.mentions`` that names nobody, unless it has one (Matrix 1.7, intentional mentions).

    Without it, clients look for ``@room`` and names in the text, and the text may be somebody else's, while the power
    to wake a whole room is the account's.
    """
    said = {"m.mentions": {}, **content}
    replacement = said.get("m.new_content")
    if isinstance(replacement, Mapping):
        said["m.new_content"] = {"m.mentions": {}, **replacement}
    return said


@dataclass(frozen=True, slots=True)
class Redaction:
    """An event of ours that a handler wants deleted."""

    room_id: str
    event_id: str


ToSend = Message | Redaction


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message that the homeserver took.

    Attributes:
        unreached: how many devices have not got the key to read it yet; it is given to them as soon as that can be.
    """

    event_id: str
    unreached: int


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
