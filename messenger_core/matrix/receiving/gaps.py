"""Fetches what a limited timeline left out, before anything newer of the room is handled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Any

from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.room_tasks import TryAgain
from messenger_core.matrix.store.intake import Gap, Intake, OwnEvents
from messenger_core.matrix.sync_answer import RoomEvent

logger = logging.getLogger(__name__)

_PAGE = 100
_LOOK_AGAIN_S = 5.0


class Gaps:
    """Fills the gaps of a room, page by page; each page is kept, so that a kill costs one page at most."""

    def __init__(
        self,
        calls: HomeserverCalls,
        intake: Intake,
        clock: Callable[[], datetime],
        on_own_events: Callable[[OwnEvents], None],
    ) -> None:
        self._calls = calls
        self._intake = intake
        self._clock = clock
        self._on_own_events = on_own_events
        self._filling: dict[str, asyncio.Lock] = {}

    async def fill(self, room_id: str) -> bool:
        """Fills every gap of a room; whether there was one.

        Raises:
            SendFailed: if the homeserver cannot be asked at the moment.
            TryAgain: if the account is invited again and could read what is missing once it has joined.
        """
        if not await self._intake.gaps(room_id):
            return False
        async with self._filling.setdefault(room_id, asyncio.Lock()):
            while gaps := await self._intake.gaps(room_id):
                await self._fill_page(gaps[0])
            self._filling.pop(room_id, None)
        return True

    async def _fill_page(self, gap: Gap) -> None:
        path = self._calls.path("/_matrix/client/v3/rooms/{}/messages", gap.room_id)
        wanted = {"dir": "b", "from": gap.token, "to": gap.until, "limit": str(_PAGE)}
        try:
            page = await self._calls.get(path, params=wanted)
        except SendFailed as refusal:
            if refusal.outage:
                raise
            if await self._intake.is_away(gap.room_id):
                raise TryAgain(_LOOK_AGAIN_S) from None
            # Nobody who is out of a room may read its past.
            logger.error("missing events of a room cannot be read any more: %s", refusal)  # noqa: TRY400
            await self._intake.give_up(gap, self._clock())
            return
        events, token = read_page(gap, page)
        own = await self._intake.fill(gap, events, token=token, device_id=self._calls.device_id, now=self._clock())
        self._on_own_events(own)


def read_page(gap: Gap, page: dict[str, Any]) -> tuple[list[RoomEvent], str | None]:
    """The events of a page, newest first, and from where to go on; an empty page is not the end if it names more."""
    chunk = page.get("chunk")
    chunk = chunk if isinstance(chunk, list) else []
    read = (RoomEvent.from_source(gap.room_id, source) for source in chunk)
    end = page.get("end")
    more = isinstance(end, str) and end not in {"", gap.token}
    return [event for event in read if event is not None], end if more else None
