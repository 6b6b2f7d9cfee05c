"""Looks after a session: keys at the homeserver, keys owed and asked for, events that wait or were set aside."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from messenger_core.matrix.catching_up import CatchingUp
from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.faults import SendFailed, StoreUnwritable
from messenger_core.matrix.store.journal import Journal
from messenger_core.matrix.store.outbox import Outbox
from messenger_core.matrix.sync_answer import SyncAnswer
from messenger_core.waking import woken

logger = logging.getLogger(__name__)

_LOOK_AGAIN_S = 30.0
_READ_AGAIN_EVERY = timedelta(hours=1)
_TRY_PARKED_EVERY = timedelta(hours=1)


class Caretaker:
    """What has to be done beside receiving and sending, whenever there is news and now and then."""

    def __init__(
        self,
        device: Device,
        journal: Journal,
        outbox: Outbox,
        *,
        clock: Callable[[], datetime],
        wake: Callable[[Iterable[str]], None],
        catching_up: CatchingUp,
    ) -> None:
        """Takes what to call with the rooms in which there is something to do again."""
        self._device = device
        self._journal = journal
        self._outbox = outbox
        self._clock = clock
        self._wake = wake
        self._catching_up = catching_up
        self._news = asyncio.Event()
        self._one_time_keys: int | None = None
        self._fallback_unused: bool | None = None

    def noted(self, answer: SyncAnswer) -> None:
        """Takes note of what the homeserver says about our keys."""
        self._one_time_keys = answer.one_time_keys
        self._fallback_unused = answer.fallback_unused
        self._news.set()

    async def run(self) -> None:
        """Works until it is cancelled; what the homeserver or the disk does not take is done later.

        Raises:
            SettingsError: if somebody uses a copy of the device.
            Exception: what nobody thought of; to be begun again.
        """
        # Before that nobody knows whether a copy of this device has sent; its keys are not used.
        await self._catching_up.once()
        # At once: a kill may have come between the arrival of a key and the turn of the events that waited for it, and
        # the fault for which events were set aside may be mended.
        read_again = try_parked = self._clock()
        while True:
            await woken(self._news, _LOOK_AGAIN_S)
            self._news.clear()
            try:
                await self._maintain()
                now = self._clock()
                if now >= read_again:
                    read_again = now + _READ_AGAIN_EVERY
                    self._wake(await self._journal.release_waiting())
                if now >= try_parked:
                    try_parked = now + _TRY_PARKED_EVERY
                    self._wake(await self._journal.release_parked())
                    await self._outbox.forget_sent(now)
            except (SendFailed, StoreUnwritable) as fault:
                logger.warning("the account's keys are looked after later: %s", fault)

    async def _maintain(self) -> None:
        await self._device.maintain(one_time_keys=self._one_time_keys, fallback_unused=self._fallback_unused)
        await self._outbox.delivered()
