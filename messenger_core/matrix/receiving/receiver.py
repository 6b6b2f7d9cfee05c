"""The sync loop: asks, writes everything down, and only then goes on."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime

from messenger_core.backoff import Backoff
from messenger_core.matrix.catching_up import CatchingUp
from messenger_core.matrix.faults import SendFailed, StoreUnwritable
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.receiving.following import Following, OwnEventsNotice
from messenger_core.matrix.retries import Retries
from messenger_core.matrix.store.intake import Intake
from messenger_core.matrix.sync_answer import NoSyncAnswer, read_sync

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


class Receiver:
    """The sync loop of one account."""

    def __init__(
        self,
        calls: HomeserverCalls,
        intake: Intake,
        *,
        following: Following,
        notice: OwnEventsNotice,
        catching_up: CatchingUp,
        clock: Callable[[], datetime],
    ) -> None:
        self._calls = calls
        self._intake = intake
        self._following = following
        self._notice = notice
        self._catching_up = catching_up
        self._clock = clock

    async def run(self) -> None:
        """Receives until it is cancelled; outages, of the homeserver or of the disk, are waited out.

        Raises:
            SettingsError: if somebody uses a copy of the device.
            Exception: what nobody thought of, a database that is away among it; to be begun again.
        """
        retries = Retries(Backoff(first_s=1.0, most_s=30.0))
        wait_ms = 0
        while True:
            try:
                await self._sync(wait_ms)
            except (SendFailed, NoSyncAnswer, StoreUnwritable) as fault:
                logger.warning("sync failed: %s", fault)
            else:
                retries.succeeded()
                wait_ms = _WAIT_MS
                continue
            # After an outage the first answer comes at once, so that who waits to have caught up need not wait on.
            wait_ms = 0
            await retries.wait()

    async def _sync(self, wait_ms: int) -> None:
        since = await self._intake.position()
        wanted = {"timeout": str(wait_ms), "filter": _filter(_FIRST_TIMELINE if since is None else _TIMELINE)}
        if since is not None:
            wanted["since"] = since
        timeout_s = _FIRST_SYNC_TIMEOUT_S if since is None else _SYNC_TIMEOUT_S
        number = self._catching_up.begin()
        raw = await self._calls.get("/_matrix/client/v3/sync", params=wanted, timeout_s=timeout_s)
        answer = read_sync(raw, self._calls.user_id)
        del raw
        own = await self._intake.take_in(answer, since=since, device_id=self._calls.device_id, now=self._clock())
        self._notice(own)
        await self._following.taken_in(answer)
        await self._catching_up.end(number)
