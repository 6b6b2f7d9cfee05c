"""Asks the homeserver how a room is encrypted, and for whom."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from messenger_core.matrix.encryption.olm_channel import MEGOLM
from messenger_core.matrix.faults import NothingEncrypted, SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls

# The specification's defaults; what a room asks for beyond these bounds would cost too much or protect too little.
_MESSAGES, _MOST_MESSAGES = 100, 10_000
_PERIOD, _SHORTEST_PERIOD, _LONGEST_PERIOD = timedelta(days=7), timedelta(hours=1), timedelta(days=365)


@dataclass(frozen=True, slots=True)
class RoomEncryption:
    """How a room is encrypted, and the user ids of those who may read what is written now."""

    rotation_messages: int
    rotation_period: timedelta
    members: frozenset[str]


async def ask_for_room(calls: HomeserverCalls, room_id: str) -> RoomEncryption:
    """Asks for the settings and the members of a room.

    Raises:
        NothingEncrypted: if the room is not encrypted, or in a way that is not known.
        SendFailed: if the homeserver could not be asked, or refused.
    """
    path = "/_matrix/client/v3/rooms/{}/"
    settings, visibility, members = await asyncio.gather(
        _state(calls, room_id, "m.room.encryption"),
        _state(calls, room_id, "m.room.history_visibility"),
        calls.get(calls.path(path + "members", room_id)),
    )
    if settings.get("algorithm") != MEGOLM:
        raise NothingEncrypted
    # Who is invited reads what is written from the invitation on, where the room says no other.
    readers = {"join"} if visibility.get("history_visibility") == "joined" else {"join", "invite"}
    chunk = members.get("chunk")
    return RoomEncryption(
        rotation_messages=min(max(_number(settings.get("rotation_period_msgs"), _MESSAGES), 1), _MOST_MESSAGES),
        rotation_period=_period(settings.get("rotation_period_ms")),
        members=frozenset(
            event["state_key"]
            for event in (chunk if isinstance(chunk, list) else [])
            if isinstance(event, dict) and _membership(event) in readers and isinstance(event.get("state_key"), str)
        ),
    )


async def _state(calls: HomeserverCalls, room_id: str, event_type: str) -> dict[str, Any]:
    try:
        return await calls.get(calls.path("/_matrix/client/v3/rooms/{}/state/{}/", room_id, event_type))
    except SendFailed as fault:
        if fault.errcode == "M_NOT_FOUND":
            return {}
        raise


def _membership(event: Mapping[str, Any]) -> object:
    content = event.get("content")
    return content.get("membership") if isinstance(content, dict) else None


def _number(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


def _period(value: object) -> timedelta:
    milliseconds = min(_number(value, int(_PERIOD.total_seconds() * 1000)), int(_LONGEST_PERIOD.total_seconds() * 1000))
    return max(timedelta(milliseconds=milliseconds), _SHORTEST_PERIOD)
