"""Works the outbox off: one lane a room, in order, each row until the homeserver named its event or refused it."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.exc import InterfaceError, OperationalError

from messenger_core.log import fault_without_text
from messenger_core.matrix.encryption.device import Device, Encrypted
from messenger_core.matrix.events import Redaction, SentMessage, ToSend
from messenger_core.matrix.faults import NothingEncrypted, SendFailed, StoreUnwritable
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.patience import Patience
from messenger_core.matrix.receiving.gaps import Gaps
from messenger_core.matrix.receiving.receiver import Receiver
from messenger_core.matrix.store.outbox import SENDING_ID_KEY, Outbox, Sending, SendingState

logger = logging.getLogger(__name__)

_LANES_AT_ONCE = 16
# Synapse remembers a transaction for a day; well before that we look for ourselves whether it was taken.
_REMEMBERED_FOR = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class SentWith:
    """What a lane uses; all of it is of one account."""

    calls: HomeserverCalls
    outbox: Outbox
    device: Device
    receiver: Receiver
    gaps: Gaps
    clock: Callable[[], datetime]


class Lanes:
    """The lanes of one account."""

    def __init__(self, parts: SentWith) -> None:
        self._parts = parts
        self._places = asyncio.Semaphore(_LANES_AT_ONCE)
        self._news = asyncio.Event()
        self._woken: set[str] = set()
        self._busy: set[str] = set()
        self._waiting: defaultdict[int, set[asyncio.Future[None]]] = defaultdict(set)

    def wake(self, rooms: Iterable[str]) -> None:
        """Says that something may be queued for these rooms."""
        self._woken.update(rooms)
        self._news.set()

    def ended(self, rows: Iterable[int]) -> None:
        """Says that rows are taken or refused."""
        for row in rows:
            for waiting in self._waiting.pop(row, ()):
                if not waiting.done():
                    waiting.set_result(None)

    async def send(self, what: ToSend, *, key: str) -> SentMessage:
        """Queues and waits until the homeserver named the event; what has this key already is not sent again.

        Raises:
            SendFailed: if the homeserver refused it for good.
        """
        outbox = self._parts.outbox
        row = await outbox.put(what, key=key, now=self._parts.clock())
        while row.state is SendingState.QUEUED:
            ended = asyncio.get_running_loop().create_future()
            self._waiting[row.id].add(ended)
            try:
                # It may have ended before anybody waited for it.
                row = await outbox.find(row.id)
                if row.state is SendingState.QUEUED:
                    self.wake([row.room_id])
                    await ended
                    row = await outbox.find(row.id)
            finally:
                if row.id in self._waiting:
                    self._waiting[row.id].discard(ended)
        if row.errcode == NothingEncrypted.ERRCODE:
            raise NothingEncrypted
        if row.state is SendingState.REFUSED or row.event_id is None:
            raise SendFailed("the homeserver refused", row.errcode, status=403)
        return SentMessage(row.event_id, await outbox.unreached(row.id))

    async def run(self) -> None:
        """Sends until it is cancelled."""
        # What an earlier run began may have been taken; the first answer of the homeserver tells.
        await self._parts.receiver.caught_up_once()
        self.wake(await self._parts.outbox.rooms())
        async with asyncio.TaskGroup() as lanes:
            while True:
                await self._news.wait()
                self._news.clear()
                idle = self._woken - self._busy
                self._woken -= idle
                self._busy |= idle
                for room_id in idle:
                    lanes.create_task(self._work_off(room_id))

    async def _work_off(self, room_id: str) -> None:
        lane = _Lane(room_id, self._parts)
        patience = Patience()
        while True:
            try:
                async with self._places:
                    ended = await lane.send_first()
                patience.reset()
            except (SendFailed, StoreUnwritable) as fault:
                logger.warning("a room's messages wait: %s", fault)
                await patience.wait()
                continue
            except (OperationalError, InterfaceError, OSError) as fault:
                logger.error("a room's messages wait: %s", fault_without_text(fault))  # noqa: TRY400 - no traceback
                await patience.wait()
                continue
            except Exception as fault:  # noqa: BLE001 - whatever goes wrong in one room must not stop the others
                logger.error("a room's messages wait: %s", fault_without_text(fault))  # noqa: TRY400 - no traceback
                await patience.wait()
                continue
            if ended is not None:
                self.ended([ended])
            elif room_id not in self._woken:
                self._busy.discard(room_id)
                return
            self._woken.discard(room_id)


class _Lane:
    """One room's messages."""

    def __init__(self, room_id: str, parts: SentWith) -> None:
        self._room_id = room_id
        self._parts = parts
        self._gaps_filled = False
        self._attempted: tuple[int, datetime] | None = None
        self._encrypted: tuple[int, Encrypted] | None = None

    async def send_first(self) -> int | None:
        """Brings the oldest row to its end; its number, or None if there is none.

        Raises:
            SendFailed: if it must be tried again.
        """
        if not self._gaps_filled:
            # What an earlier run sent may be among what is missing.
            await self._parts.gaps.fill(self._room_id)
            self._gaps_filled = True
        row = await self._parts.outbox.first(self._room_id)
        if row is None:
            return None
        if await self._was_taken_long_ago(row):
            return row.id
        try:
            await self._send(row)
        except SendFailed as refusal:
            if refusal.outage:
                raise
            logger.error("a message is refused: %s", refusal)  # noqa: TRY400 - the refusal says it all
            await self._parts.outbox.refused(row.id, refusal.errcode, self._parts.clock())
        return row.id

    async def _was_taken_long_ago(self, row: Sending) -> bool:
        """After a long outage the homeserver knows no transaction any more; what the room holds by now is the proof."""
        now = self._parts.clock()
        if self._attempted is None or self._attempted[0] != row.id:
            self._attempted = (row.id, now)
        if now - self._attempted[1] < _REMEMBERED_FOR:
            return False
        await self._parts.receiver.caught_up()
        await self._parts.gaps.fill(self._room_id)
        self._attempted = (row.id, now)
        return (await self._parts.outbox.find(row.id)).state is not SendingState.QUEUED

    async def _send(self, row: Sending) -> None:
        parts, what = self._parts, row.what
        assert what is not None
        rooms = "/_matrix/client/v3/rooms/{}"
        session_id: str | None = None
        if isinstance(what, Redaction):
            path = parts.calls.path(rooms + "/redact/{}/{}", row.room_id, what.event_id, row.transaction_id)
            answer = await parts.calls.put(path, {})
        else:
            if self._encrypted is None or self._encrypted[0] != row.id:
                encrypted = await parts.device.encrypt(row.room_id, "m.room.message", what.content)
                self._encrypted = (row.id, encrypted)
            encrypted = self._encrypted[1]
            session_id = encrypted.session_id
            path = parts.calls.path(rooms + "/send/{}/{}", row.room_id, "m.room.encrypted", row.transaction_id)
            answer = await parts.calls.put(path, {**encrypted.content, SENDING_ID_KEY: row.sending_id})
        event_id = answer.get("event_id")
        if not isinstance(event_id, str):
            raise SendFailed("the homeserver named no event", status=502)
        await parts.outbox.accepted(row.id, event_id, session_id, parts.clock())
