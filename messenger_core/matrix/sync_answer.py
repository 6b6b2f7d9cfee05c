"""Reads the homeserver's answer to ``/sync``, which may hold anything that a stranger sent, without ever failing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from messenger_core.matrix.events import Invitation, id_of, milliseconds_of

_CHANGES_WHO_READS = frozenset({"m.room.member", "m.room.encryption", "m.room.history_visibility"})


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """An event as it came.

    Attributes:
        received_at: when its sender's homeserver took it, in milliseconds.
        source: the raw event.
    """

    room_id: str
    event_id: str
    sender: str
    type: str
    received_at: int
    source: Mapping[str, Any]

    @classmethod
    def from_source(cls, room_id: str, source: object) -> RoomEvent | None:
        """None for what is no event: it has no id under which it could be kept."""
        if not isinstance(source, dict):
            return None
        event_id, sender, type_ = id_of(source.get("event_id")), source.get("sender"), source.get("type")
        if event_id is None or not isinstance(sender, str) or not isinstance(type_, str):
            return None
        return cls(room_id, event_id, sender, type_, milliseconds_of(source), source)

    @property
    def changes_who_reads(self) -> bool:
        """Whether the room's key must not be used any more after it."""
        return self.type in _CHANGES_WHO_READS


@dataclass(frozen=True, slots=True)
class LimitedTimeline:
    """The room's events before ``token`` were left out."""

    room_id: str
    token: str


@dataclass(frozen=True, slots=True)
class SyncAnswer:
    """What one answer holds.

    Attributes:
        events: of all rooms; those of one room in their order.
        limited: rooms of which something was left out.
        joined: rooms that the account is in and in which there is news.
        left: rooms that it has left, was removed from, or whose invitation ended.
        changed_devices: people whose list of devices changed.
        one_time_keys: how many of our one-time keys the homeserver has left; None if it does not say.
        fallback_unused: whether our fallback key is unused; None if it does not say.
    """

    next_batch: str
    events: tuple[RoomEvent, ...] = ()
    limited: tuple[LimitedTimeline, ...] = ()
    joined: frozenset[str] = field(default_factory=frozenset)
    left: frozenset[str] = field(default_factory=frozenset)
    invitations: tuple[Invitation, ...] = ()
    to_device: tuple[Mapping[str, Any], ...] = ()
    changed_devices: frozenset[str] = field(default_factory=frozenset)
    one_time_keys: int | None = None
    fallback_unused: bool | None = None

    @property
    def rooms(self) -> frozenset[str]:
        """The rooms in which there is something to do."""
        return frozenset(
            [
                *(event.room_id for event in self.events),
                *(limited.room_id for limited in self.limited),
                *(invitation.room_id for invitation in self.invitations),
            ]
        )

    @property
    def rooms_with_new_readers(self) -> frozenset[str]:
        """The rooms whose key must not be used any more: somebody came or went, or may have."""
        changed = (event.room_id for event in self.events if event.changes_who_reads)
        return frozenset([*changed, *(limited.room_id for limited in self.limited)])


class NoSyncAnswer(ValueError):  # noqa: N818 - reads as what happened
    """The answer names no position."""


def read_sync(answer: Mapping[str, Any], user_id: str) -> SyncAnswer:
    """Reads an answer; parts of a wrong shape count as absent.

    Args:
        answer: the JSON of ``GET /sync``.
        user_id: the account.

    Raises:
        NoSyncAnswer: if it has no ``next_batch``.
    """
    next_batch = answer.get("next_batch")
    if not isinstance(next_batch, str) or not next_batch:
        raise NoSyncAnswer("the answer has no next_batch")
    rooms = _mapping(answer.get("rooms"))
    events: list[RoomEvent] = []
    limited: list[LimitedTimeline] = []
    for room_id, room in (*_rooms(rooms.get("join")), *_rooms(rooms.get("leave"))):
        timeline = _mapping(room.get("timeline"))
        token = timeline.get("prev_batch")
        if timeline.get("limited") is True and isinstance(token, str) and token:
            limited.append(LimitedTimeline(room_id, token))
        read = (RoomEvent.from_source(room_id, source) for source in _list(timeline.get("events")))
        events.extend(event for event in read if event is not None)
    counts = answer.get("device_one_time_keys_count")
    fallback = answer.get("device_unused_fallback_key_types")
    return SyncAnswer(
        next_batch=next_batch,
        events=tuple(events),
        limited=tuple(limited),
        joined=frozenset(room_id for room_id, _ in _rooms(rooms.get("join"))),
        left=frozenset(room_id for room_id, _ in _rooms(rooms.get("leave"))),
        invitations=tuple(_invitations(rooms.get("invite"), user_id)),
        to_device=tuple(
            message for message in _list(_mapping(answer.get("to_device")).get("events")) if isinstance(message, dict)
        ),
        changed_devices=frozenset(
            owner for owner in map(id_of, _list(_mapping(answer.get("device_lists")).get("changed"))) if owner
        ),
        # A kind of key that is not counted has none left.
        one_time_keys=None if counts is None else _count(_mapping(counts).get("signed_curve25519", 0)),
        fallback_unused="signed_curve25519" in fallback if isinstance(fallback, list) else None,
    )


def _invitations(rooms: object, user_id: str) -> Iterator[Invitation]:
    for room_id, room in _rooms(rooms):
        for event in _list(_mapping(room.get("invite_state")).get("events")):
            if not isinstance(event, dict) or event.get("type") != "m.room.member":
                continue
            inviter = id_of(event.get("sender"))
            if event.get("state_key") == user_id and inviter is not None:
                yield Invitation(room_id, inviter)
                break


def _rooms(rooms: object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for room_id, room in _mapping(rooms).items():
        if id_of(room_id) is not None and isinstance(room, dict):
            yield room_id, room


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
