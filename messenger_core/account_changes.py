"""Follows the homeserver's list of what happened to accounts; the position in it moves only when all was applied."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError

from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed, ServiceClient

logger = logging.getLogger(__name__)

_WAIT_S = 25
_PAUSE_S = 5.0


class AccountEvent(StrEnum):
    """What happens to an account; a newer homeserver may name more. Chats have names of their own."""

    MADE = "account-made"
    ANNOUNCED = "announced"
    """The end of a membership is announced."""
    UNDONE = "undone"
    LOCKED = "locked"
    DEACTIVATED = "deactivated"


class AccountChange(BaseModel):
    """One line of the homeserver's list; ``at`` in milliseconds since 1970, ``what`` an ``AccountEvent`` or another."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: int
    at: int
    user_id: str
    kind: str
    what: str
    room_id: str | None = None


class _Changes(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    changes: list[AccountChange]
    next: int


async def ask_for_changes(client: ServiceClient, since: int, wait_s: int) -> tuple[list[AccountChange], int]:
    """The changes after ``since`` and the position behind them; waits up to ``wait_s`` seconds for the first.

    Raises:
        CallFailed: if the homeserver cannot be asked.
    """
    query = {"since": since, "wait": wait_s}
    body = await client.call("GET", f"{CALLS_PREFIX}/changes", scope="account:events", query=query)
    try:
        found = _Changes.model_validate(body)
    except ValidationError:
        raise CallFailed("changes of accounts: the answer has an unknown form") from None
    return found.changes, found.next


class ChangeSource(Protocol):
    """The homeserver, as a component asks it."""

    async def changes(self, since: int, wait_s: int) -> tuple[Sequence[AccountChange], int]:
        """See ``ask_for_changes``."""
        ...


class Progress(Protocol):
    """How far a component has come; it outlives its process."""

    async def position(self) -> int:
        """The position to ask from, 0 at first."""
        ...

    async def move_to(self, position: int) -> None:
        """Notes that everything before a position is applied."""
        ...


class AccountFollower:
    """Applies the changes one after the other; what was applied before an interruption is applied again."""

    def __init__(
        self, source: ChangeSource, progress: Progress, apply: Callable[[AccountChange], Awaitable[None]]
    ) -> None:
        """Takes what to do with a change, also if it was done before."""
        self._source = source
        self._progress = progress
        self._apply = apply

    async def run(self) -> None:
        """Follows until it is cancelled; an outage of the homeserver is waited out."""
        while True:
            try:
                await self.follow_once(_WAIT_S)
            except CallFailed as fault:
                logger.warning("the changes of accounts cannot be followed: %s", fault)
                await asyncio.sleep(_PAUSE_S)

    async def follow_once(self, wait_s: int) -> None:
        """Asks once and applies what came.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        since = await self._progress.position()
        changes, position = await self._source.changes(since, wait_s)
        for change in changes:
            await self._apply(change)
        if position != since:
            await self._progress.move_to(position)
