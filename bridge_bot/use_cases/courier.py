"""Works the outbox off: lane by lane in order, each lane by itself, trying again until the homeserver took it."""

from __future__ import annotations

import asyncio
import logging

from bridge_bot.store.outbox import Outbox
from bridge_bot.use_cases.deliveries import Deliveries, NotYet
from bridge_bot.use_cases.matrix_account import reason_of
from messenger_core.backoff import Backoff
from messenger_core.waking import woken

logger = logging.getLogger(__name__)

_LANES_AT_ONCE = 4
_LOOK_AGAIN_S = 10.0
_BACKOFF = Backoff(first_s=1.0, most_s=60.0)


class Courier:
    """Sends what the outbox holds. A lane that fails waits by itself and holds no other one up."""

    def __init__(self, outbox: Outbox, deliveries: Deliveries) -> None:
        self._outbox = outbox
        self._deliveries = deliveries
        self._news = asyncio.Event()
        self._places = asyncio.Semaphore(_LANES_AT_ONCE)
        self._busy: set[str] = set()

    def wake(self) -> None:
        """Says that there may be new rows."""
        self._news.set()

    async def run(self) -> None:
        """Sends until it is cancelled."""
        async with asyncio.TaskGroup() as lanes:
            while True:
                self._news.clear()
                for lane in await self._outbox.lanes():
                    if lane not in self._busy:
                        self._busy.add(lane)
                        lanes.create_task(self._work_off(lane))
                await woken(self._news, _LOOK_AGAIN_S)

    async def _work_off(self, lane: str) -> None:
        failures = 0
        try:
            while True:
                async with self._places:
                    sent = await self.send_first(lane)
                if sent is None:
                    return
                if sent:
                    failures = 0
                    # An answer that was delivered is told in another lane.
                    self._news.set()
                else:
                    failures += 1
                    await asyncio.sleep(_BACKOFF.wait_s(failures))
        finally:
            self._busy.discard(lane)
            self._news.set()

    async def send_first(self, lane: str) -> bool | None:
        """Sends the lane's oldest row: True if it was, False if it must be tried again, None if there is none."""
        row = await self._outbox.first(lane)
        if row is None:
            return None
        try:
            await self._deliveries.deliver(row)
        except NotYet:
            return False
        except Exception as fault:  # noqa: BLE001 - whatever goes wrong, the row stays and is tried again
            logger.warning("a row of kind %s is not sent yet: %s", row.queued.kind, reason_of(fault))
            return False
        return True
