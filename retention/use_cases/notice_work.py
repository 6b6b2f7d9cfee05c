"""Tells people something in their service rooms: one notice after the other, again and again until each is sent."""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from messenger_core.clock import Clock
from messenger_core.log import fault_without_text
from messenger_core.matrix import SendFailed
from messenger_core.service_auth.client import CallFailed
from messenger_core.waking import woken
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.retry_schedule import Patience
from retention.use_cases.service_account import ServiceAccount
from retention.use_cases.service_room import service_room_of

logger = logging.getLogger(__name__)

_POLL_S = 30.0
# Who has not come into the room is looked for at times, too: an event may be missed.
_LOOK_AGAIN_S = 600.0


@dataclass(frozen=True, slots=True)
class DueNotice:
    """Something that a person is to be told.

    Attributes:
        name: of the work, the same until it is done.
        user_id: whom it is for.
        tell: sends it; whether nothing is left to do about it.
    """

    name: str
    user_id: str
    tell: Callable[[], Awaitable[bool]]


class NoticeWork(ABC):
    """The loop that notices of every kind have in common; ``wake`` is set when there may be new ones."""

    name: ClassVar[str]
    """What the work is called in logs and figures."""

    def __init__(self, account: ServiceAccount, rooms: ServiceRooms, clock: Clock) -> None:
        self._clock = clock
        self._account = account
        self._rooms = rooms
        self._patience = Patience()
        self.wake = asyncio.Event()
        self._came: set[str] = set()

    @abstractmethod
    async def due(self) -> Sequence[DueNotice]:
        """What is to be told now."""

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            self.wake.clear()
            await self.work_once()
            await woken(self.wake, _POLL_S)

    def has_come_or_gone(self, user_id: str) -> None:
        """The person came into her service room, left it, or declined: what waited for that is tried at once."""
        self._came.add(user_id)
        self.wake.set()

    async def work_once(self) -> None:
        """Sends what is due; one person's trouble does not stop the others."""
        time_s = asyncio.get_running_loop().time
        came, self._came = self._came, set()
        for notice in await self.due():
            if notice.user_id in came:
                self._patience.succeeded(notice.name)
            if not self._patience.may_try(notice.name, time_s()):
                continue
            try:
                is_done = await notice.tell()
            except Exception as fault:  # noqa: BLE001 - as said above
                self._patience.failed(notice.name, time_s())
                reason = str(fault) if isinstance(fault, CallFailed | SendFailed) else fault_without_text(fault)
                logger.warning("a notice is tried again later: %s", reason)
            else:
                if is_done:
                    self._patience.succeeded(notice.name)
                else:
                    self._patience.wait(notice.name, time_s(), _LOOK_AGAIN_S)

    async def _room_with(self, user_id: str, invited: Callable[[], Awaitable[None]] | None) -> str | None:
        """The person's service room if she is in it: only then the keys of her devices are known.

        Args:
            user_id: the person.
            invited: notes that she was invited for this notice; None if she was before, since who declines has
                answered.
        """
        room_id = await service_room_of(user_id, self._account, self._rooms, self._clock())
        membership = (await self._account.room(room_id)).members.get(user_id)
        if membership not in {"join", "invite"} and invited is not None:
            await self._account.invite(room_id, user_id)
            await invited()
            membership = (await self._account.room(room_id)).members.get(user_id)
        return room_id if membership == "join" else None
