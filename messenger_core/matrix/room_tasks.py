"""Works on many rooms side by side and on each of them in order; a room that fails waits by itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable

from messenger_core.backoff import Backoff
from messenger_core.log import fault_without_text
from messenger_core.matrix.faults import SendFailed, StoreUnwritable
from messenger_core.matrix.retries import Retries

logger = logging.getLogger(__name__)

_ROOMS_AT_ONCE = 16
_BACKOFF = Backoff(first_s=1.0, most_s=60.0)


class TryAgain(Exception):  # noqa: N818 - reads as what is to be done
    """The room's work is to be taken up again after a while."""

    def __init__(self, after_s: float) -> None:
        super().__init__()
        self.after_s = after_s


class RoomTasks:
    """One task a room that has something to do, at most so many working at once."""

    def __init__(self, name: str, work: Callable[[str], Awaitable[bool]]) -> None:
        """Takes what the work is called in the log, and the work: some of a room's, and whether there may be more."""
        self._name = name
        self._work = work
        self._places = asyncio.Semaphore(_ROOMS_AT_ONCE)
        self._news = asyncio.Event()
        self._woken: set[str] = set()
        self._busy: set[str] = set()

    def wake(self, rooms: Iterable[str]) -> None:
        """Says that there may be something to do in these rooms."""
        self._woken.update(rooms)
        self._news.set()

    async def run(self, begin: Callable[[], Awaitable[Iterable[str]]]) -> None:
        """Works until it is cancelled; may be begun again after a fault.

        Args:
            begin: names the rooms in which an earlier run left something to do.
        """
        self._busy.clear()
        retries = Retries(_BACKOFF)
        while True:
            try:
                self.wake(await begin())
            except Exception as fault:  # noqa: BLE001 - a database that is away or full is waited out
                logger.error("%s cannot begin: %s", self._name, fault_without_text(fault))  # noqa: TRY400
                await retries.wait()
            else:
                break
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._news.wait()
                self._news.clear()
                idle = self._woken - self._busy
                self._woken -= idle
                self._busy |= idle
                for room_id in idle:
                    tasks.create_task(self._work_off(room_id))

    async def _work_off(self, room_id: str) -> None:
        retries = Retries(_BACKOFF)
        while True:
            try:
                async with self._places:
                    more = await self._work(room_id)
            except TryAgain as wish:
                await asyncio.sleep(wish.after_s)
                continue
            except (SendFailed, StoreUnwritable) as fault:
                logger.warning("%s: a room waits: %s", self._name, fault)
                await retries.wait()
                continue
            except Exception as fault:  # noqa: BLE001 - whatever goes wrong in one room must not stop the others
                logger.error("%s: a room waits: %s", self._name, fault_without_text(fault))  # noqa: TRY400
                await retries.wait()
                continue
            retries.succeeded()
            if not more and room_id not in self._woken:
                self._busy.discard(room_id)
                return
            self._woken.discard(room_id)
