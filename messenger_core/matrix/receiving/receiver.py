"""The sync loop: asks, writes everything down, and only then goes on."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from sqlalchemy.exc import InterfaceError, OperationalError

from messenger_core.log import fault_without_text
from messenger_core.matrix.faults import SendFailed, StoreUnwritable
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.patience import Patience
from messenger_core.matrix.receiving.sync_answer import NoSyncAnswer, SyncAnswer, read_sync
from messenger_core.matrix.store.intake import Intake, OwnEvents

logger = logging.getLogger(__name__)

_WAIT_MS = 30_000
_SYNC_TIMEOUT_S = 120.0
_FIRST_SYNC_TIMEOUT_S = 1200.0
_TIMELINE = 100
# Of rooms that were there before the account was first used, the last events are enough; memory stays bounded.
_FIRST_TIMELINE = 20


def _filter(timeline: int) -> str:
    """Only what is read here. State is asked for where it is needed."""
    nothing: dict[str, list[str]] = {"types": []}
    room = {"timeline": {"limit": timeline}, "state": nothing, "ephemeral": nothing, "account_data": nothing}
    return json.dumps({"room": room, "presence": nothing, "account_data": nothing})


class SyncFollower(Protocol):
    """What goes on with an answer once it is written down."""

    async def taken_in(self, answer: SyncAnswer) -> None:
        """Called after each answer, before the next one is asked for."""
        ...

    def own_events(self, own: OwnEvents) -> None:
        """Called with what an answer says about what we sent."""
        ...


class Receiver:
    """The sync loop of one account."""

    def __init__(
        self, calls: HomeserverCalls, intake: Intake, follower: SyncFollower, clock: Callable[[], datetime]
    ) -> None:
        self._calls = calls
        self._intake = intake
        self._follower = follower
        self._clock = clock
        self._caught_up = asyncio.Condition()
        self._begun = 0
        self._ended = 0

    async def run(self) -> None:
        """Receives until it is cancelled; outages, of the homeserver or of the disk, are waited out."""
        patience = Patience(longest_s=30.0)
        wait_ms = 0
        while True:
            try:
                await self._sync(wait_ms)
            except (SendFailed, NoSyncAnswer, StoreUnwritable) as fault:
                logger.warning("sync failed: %s", fault)
            except (OperationalError, InterfaceError, OSError) as fault:
                logger.error("what was received cannot be written: %s", fault_without_text(fault))  # noqa: TRY400
            else:
                patience.reset()
                wait_ms = _WAIT_MS
                continue
            # After an outage the first answer comes at once, so that who waits to have caught up need not wait on.
            wait_ms = 0
            await patience.wait()

    async def _sync(self, wait_ms: int) -> None:
        since = await self._intake.position()
        wanted = {"timeout": str(wait_ms), "filter": _filter(_FIRST_TIMELINE if since is None else _TIMELINE)}
        if since is not None:
            wanted["since"] = since
        timeout_s = _FIRST_SYNC_TIMEOUT_S if since is None else _SYNC_TIMEOUT_S
        self._begun += 1
        begun = self._begun
        raw = await self._calls.get("/_matrix/client/v3/sync", params=wanted, timeout_s=timeout_s)
        answer = read_sync(raw, self._calls.user_id)
        del raw
        own = await self._intake.take_in(answer, since=since, device_id=self._calls.device_id, now=self._clock())
        self._follower.own_events(own)
        await self._follower.taken_in(answer)
        async with self._caught_up:
            self._ended = begun
            self._caught_up.notify_all()

    async def caught_up(self) -> None:
        """Waits until everything is written down that the homeserver had when this was called."""
        async with self._caught_up:
            asked = self._begun
            await self._caught_up.wait_for(lambda: self._ended > asked)

    async def caught_up_once(self) -> None:
        """Waits until the first answer since the start is written down."""
        async with self._caught_up:
            await self._caught_up.wait_for(lambda: self._ended > 0)
