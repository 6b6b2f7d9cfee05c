"""Works the outbox off: one lane a room, in order, each row until the homeserver named its event or refused it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from messenger_core.matrix.acknowledgements import Acknowledgements
from messenger_core.matrix.catching_up import CatchingUp
from messenger_core.matrix.encryption.device import Device, EncryptedMessage
from messenger_core.matrix.events import Message, Redaction, SentMessage, ToSend
from messenger_core.matrix.faults import NothingEncrypted, SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.receiving.gaps import Gaps
from messenger_core.matrix.room_tasks import RoomTasks
from messenger_core.matrix.store.outbox import SENDING_ID_KEY, Outbox, Sending, SendingState

logger = logging.getLogger(__name__)

# Synapse remembers a transaction for a day; well before that we look for ourselves whether it was taken.
_REMEMBERED_FOR = timedelta(hours=12)
_CIPHERTEXT_KEPT_FOR = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class SentWith:
    """What a lane uses; all of it is of one account."""

    calls: HomeserverCalls
    outbox: Outbox
    device: Device
    catching_up: CatchingUp
    acknowledgements: Acknowledgements
    gaps: Gaps
    clock: Callable[[], datetime]


class Lanes:
    """The lanes of one account."""

    def __init__(self, parts: SentWith) -> None:
        self._parts = parts
        self._lanes: dict[str, _Lane] = {}
        self._tasks = RoomTasks("sending", self._send_first)
        self.wake = self._tasks.wake

    async def send(self, what: ToSend, *, key: str) -> SentMessage:
        """Queues and waits until the homeserver named the event; what has this key already is not sent again.

        Raises:
            SendFailed: if the homeserver refused it for good.
        """
        return await self.outcome((await self._parts.outbox.put(what, key=key, now=self._parts.clock())).id)

    async def outcome(self, row_id: int) -> SentMessage:
        """Waits until the homeserver named the event of a row.

        Raises:
            SendFailed: if the homeserver refused it for good.
        """
        outbox = self._parts.outbox
        with self._parts.acknowledgements.of(row_id) as ended:
            while (row := await outbox.find(row_id)).state is SendingState.QUEUED:
                self.wake([row.room_id])
                await ended.wait()
                ended.clear()
        if row.errcode == NothingEncrypted.ERRCODE:
            raise NothingEncrypted
        if row.state is SendingState.REFUSED or row.event_id is None:
            raise SendFailed("the homeserver refused", row.errcode, status=403)
        return SentMessage(row.event_id, await outbox.unreached(row.id))

    async def run(self) -> None:
        """Sends until it is cancelled."""
        await self._tasks.run(self._left_over)

    async def _left_over(self) -> list[str]:
        """The rooms for which an earlier run left something; what it sent may be among what the homeserver answers."""
        await self._parts.catching_up.once()
        return await self._parts.outbox.rooms()

    async def _send_first(self, room_id: str) -> bool:
        lane = self._lanes.setdefault(room_id, _Lane(room_id, self._parts))
        row = await lane.send_first()
        if row is None:
            self._lanes.pop(room_id, None)
            return False
        self._parts.acknowledgements.ended([row])
        return True


class _Lane:
    """One room's messages."""

    def __init__(self, room_id: str, parts: SentWith) -> None:
        self._room_id = room_id
        self._parts = parts
        self._gaps_filled = False
        self._attempted: tuple[int, datetime] | None = None
        self._encrypted: tuple[int, datetime, EncryptedMessage] | None = None

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
        await self._parts.catching_up.from_now()
        await self._parts.gaps.fill(self._room_id)
        self._attempted = (row.id, now)
        return (await self._parts.outbox.find(row.id)).state is not SendingState.QUEUED

    async def _ciphertext(self, row_id: int, what: Message) -> EncryptedMessage:
        """The row's ciphertext; made anew after a while, since there may be new devices that should read it."""
        now = self._parts.clock()
        if self._encrypted is not None:
            known, made_at, encrypted = self._encrypted
            if known == row_id and now - made_at < _CIPHERTEXT_KEPT_FOR:
                return encrypted
        encrypted = await self._parts.device.encrypt_megolm(what.room_id, "m.room.message", what.content)
        self._encrypted = (row_id, now, encrypted)
        return encrypted

    async def _send(self, row: Sending) -> None:
        parts, what = self._parts, row.what
        assert what is not None
        rooms = "/_matrix/client/v3/rooms/{}"
        session_id: str | None = None
        if isinstance(what, Redaction):
            path = parts.calls.path(rooms + "/redact/{}/{}", row.room_id, what.event_id, row.transaction_id)
            answer = await parts.calls.put(path, {})
        else:
            encrypted = await self._ciphertext(row.id, what)
            session_id = encrypted.session_id
            path = parts.calls.path(rooms + "/send/{}/{}", row.room_id, "m.room.encrypted", row.transaction_id)
            answer = await parts.calls.put(path, {**encrypted.content, SENDING_ID_KEY: row.sending_id})
        event_id = answer.get("event_id")
        if not isinstance(event_id, str):
            raise SendFailed("the homeserver named no event", status=502)
        await parts.outbox.accepted(row.id, event_id, session_id, parts.clock())
