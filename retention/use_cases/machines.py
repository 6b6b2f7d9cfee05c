"""What retention asks the homeserver and the bot for; the adapters of these names ask them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from messenger_core.account_changes import ChangeSource
from retention.rules.offering import IdleRoom
from retention.store.erasures import DueRoom


@dataclass(frozen=True, slots=True)
class Consent:
    """Who agreed to leave chats, by which message, and when (milliseconds since 1970)."""

    user_id: str
    event_id: str
    given_at: int


@dataclass(frozen=True, slots=True)
class RoomResults:
    """What the homeserver did for rooms, and for the others by room id why not."""

    done: Collection[str]
    refused: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Remaining:
    """What is left in a room after an erasure."""

    events: int
    media: int

    @property
    def nothing(self) -> bool:
        """Whether all is erased."""
        return not (self.events or self.media)


@dataclass(frozen=True, slots=True)
class Holdings:
    """How much of each kind the bot holds, or has erased."""

    messages: int
    media: int
    tickets: int

    @property
    def nothing(self) -> bool:
        """Whether all are zero."""
        return not (self.messages or self.media or self.tickets)


class Homeserver(ChangeSource, Protocol):
    """Its machine interface; each call raises ``CallFailed`` if it is refused or not answered."""

    def idle_pages(self, as_of: datetime) -> AsyncIterator[list[tuple[str, IdleRoom]]]:
        """Pages of insured people and the care rooms that are due to be offered to them."""
        ...

    async def is_reachable_insured(self, user_id: str) -> bool:
        """Whether this is the account of an insured person that is not locked."""
        ...

    async def membership_ends_on(self, user_id: str) -> date | None:
        """The first day without insurance that is announced for a person; None if there is none."""
        ...

    async def leave(self, consent: Consent, room_ids: Sequence[str]) -> RoomResults:
        """Leaves care rooms for a person who agreed to it."""
        ...

    async def forget(self, consent: Consent, room_ids: Sequence[str]) -> RoomResults:
        """Takes rooms that were left out of the person's history."""
        ...

    async def set_period(self, user_id: str, months: int | None) -> None:
        """Sets after how many months chats are offered to the person; None means never."""
        ...

    async def erase(self, room: DueRoom, before: datetime) -> Remaining:
        """Erases a room's messages received before the moment and the files named, and says what remains."""
        ...


class Bot(Protocol):
    """Its machine interface; each call raises ``CallFailed`` if it is refused or not answered."""

    async def due(self, before: datetime) -> list[DueRoom]:
        """What it holds from before that moment, by room, both sides."""
        ...

    async def erase(self, before: datetime) -> Holdings:
        """Erases at the bot and returns how much it erased; called after the homeserver has erased."""
        ...

    async def held(self, before: datetime) -> Holdings:
        """What it still holds from before that moment."""
        ...
