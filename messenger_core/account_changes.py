"""Follows the homeserver's list of what happened to accounts; the position in it moves only when all was applied."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from messenger_core.service_auth.client import CallFailed

logger = logging.getLogger(__name__)

_WAIT_S = 25
_PAUSE_S = 5.0

ChangeT = TypeVar("ChangeT")
_ToldT_co = TypeVar("_ToldT_co", covariant=True)


class Homeserver(Protocol[_ToldT_co]):
    """The homeserver, as a component asks it."""

    async def changes(self, since: int, wait_s: int) -> tuple[Sequence[_ToldT_co], int]:
        """The changes after a position and the position behind them; waits for the first.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        ...


class Progress(Protocol):
    """How far a component has come; it outlives its process."""

    async def position(self) -> int:
        """The position to ask from, 0 at first."""
        ...

    async def move_to(self, position: int) -> None:
        """Notes that everything before a position is applied."""
        ...


class AccountFollower(ABC, Generic[ChangeT]):
    """Applies the changes one after the other; what was applied before an interruption is applied again."""

    def __init__(self, homeserver: Homeserver[ChangeT], progress: Progress) -> None:
        self._source = homeserver
        self._progress = progress

    @abstractmethod
    async def apply(self, change: ChangeT) -> None:
        """Applies one change, also if it was applied before."""

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
            await self.apply(change)
        if position != since:
            await self._progress.move_to(position)
