"""What retention needs of its Matrix session, and how its messages look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from messenger_core.matrix import Room, SentMessage


class ServiceAccount(Protocol):
    """The part of ``MatrixSession`` that is used here; see there."""

    @property
    def user_id(self) -> str:
        """The account's Matrix user id."""
        ...

    async def send(self, room_id: str, content: Mapping[str, Any], *, key: str) -> SentMessage:
        """Sends an encrypted message; the same key is sent once."""
        ...

    async def create_room(self, alias_localpart: str, *, invite: Sequence[str] = ()) -> str:
        """Makes a private encrypted room, or returns the one that an interrupted call made."""
        ...

    async def join(self, room_id: str) -> None:
        """Joins a room that the account was invited to."""
        ...

    async def leave(self, room_id: str) -> None:
        """Leaves a room or declines its invitation."""
        ...

    async def invite(self, room_id: str, user_id: str) -> None:
        """Invites somebody who is not in the room yet."""
        ...

    async def room(self, room_id: str) -> Room:
        """A room's present state."""
        ...


def message(text: str) -> dict[str, str]:
    """A text that notifies the person, as the content of ``m.room.message``."""
    return {"msgtype": "m.text", "body": text}


def notice(text: str) -> dict[str, str]:
    """An automatic answer, as the content of ``m.room.message``."""
    return {"msgtype": "m.notice", "body": text}
