"""Hands events over: one worker a room, in the room's order; many rooms side by side, none holds another one up."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, NotSupportedError, ProgrammingError

from messenger_core.log import fault_without_text
from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.encryption.megolm_decryption import RoomKeyMissing, UndecryptableEvent
from messenger_core.matrix.events import Invitation, ToSend
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.receiving.gaps import Gaps
from messenger_core.matrix.receiving.handler import EventHandler
from messenger_core.matrix.receiving.reader import Reader
from messenger_core.matrix.room_tasks import RoomTasks, TryAgain
from messenger_core.matrix.store.event_state import EventKind
from messenger_core.matrix.store.journal import Journal, JournalRow
from messenger_core.matrix.store.outbox import Outbox, frozen

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 20
_ATTEMPTS = 5
_HANDLER_TIMEOUT_S = 900
_KEYS_TAKEN_IN_AFTER_S = 0.05


@dataclass(frozen=True, slots=True)
class WorkedOn:
    """What a worker uses; all of it is of one account."""

    journal: Journal
    outbox: Outbox
    gaps: Gaps
    device: Device
    reader: Reader
    clock: Callable[[], datetime]


class RoomWorkers:
    """The workers of one account."""

    def __init__(self, parts: WorkedOn, handler: EventHandler, queued: Callable[[Iterable[str]], None]) -> None:
        """Takes the handler, and what to call with the rooms for which an answer was queued."""
        self._parts = parts
        self._handler = handler
        self._queued = queued
        self._tasks = RoomTasks("receiving", self._some)
        self.wake = self._tasks.wake

    async def run(self) -> None:
        """Works until it is cancelled."""
        await self._tasks.run(self._parts.journal.rooms)

    async def _some(self, room_id: str) -> bool:
        """Hands some events of a room over; whether there may be more."""
        rows = await self._parts.journal.next(room_id, _ROWS_AT_ONCE)
        if invitations := [row for row in rows if row.kind == EventKind.INVITATION]:
            for row in invitations:
                await self._decide(row)
            return True
        if await self._parts.gaps.fill(room_id):
            rows = await self._parts.journal.next(room_id, _ROWS_AT_ONCE)
        for row in rows:
            await self._hand_over(row)
        return bool(rows)

    async def _decide(self, row: JournalRow) -> None:
        invitation = Invitation(row.room_id, str(json.loads(row.source).get("sender")))
        try:
            async with asyncio.timeout(_HANDLER_TIMEOUT_S):
                await self._handler.handle_invitation(invitation)
        except Exception as fault:  # noqa: BLE001 - one bad invitation must not stop the others
            await self._after_failure(row, fault)
        else:
            await self._settle(row, (), None)

    async def _hand_over(self, row: JournalRow) -> None:
        place: str | None = None
        try:
            read = await self._parts.reader.read(row)
            place = read.megolm_place
            async with asyncio.timeout(_HANDLER_TIMEOUT_S):
                answers = tuple(await self._handler.handle(read.event))
            for answer in answers:
                # What cannot be written down must fail here, where it is counted.
                frozen(answer)
        except RoomKeyMissing as missing:
            if await self._parts.device.has_more_to_take_in():
                # It may be among what came with the event; who went on now would change the room's order.
                raise TryAgain(_KEYS_TAKEN_IN_AFTER_S) from None
            await self._wait_for_key(row, missing.session_id)
        except UndecryptableEvent as never:
            logger.warning("an event is set aside: %s", never.reason)
            await self._parts.journal.park(row, never.reason)
        except Exception as fault:  # noqa: BLE001 - one bad event must not stop the others
            await self._after_failure(row, fault, place)
        else:
            await self._settle(row, answers, place)

    async def _settle(self, row: JournalRow, answers: tuple[ToSend, ...], megolm_place: str | None) -> None:
        parts = self._parts
        await parts.journal.settle(row, answers, outbox=parts.outbox, megolm_place=megolm_place, now=parts.clock())
        if answers:
            self._queued({answer.room_id for answer in answers})

    async def _wait_for_key(self, row: JournalRow, session_id: str) -> None:
        await self._parts.journal.wait_for_key(row, session_id)
        source = json.loads(row.source)
        try:
            # The key may have come between the two.
            self._parts.device.decrypt_megolm(row.room_id, source)
        except RoomKeyMissing:
            logger.info("an event waits for its key")
        except UndecryptableEvent:
            await self._parts.journal.release([session_id])
            return
        else:
            await self._parts.journal.release([session_id])
            # It is the first one again, before those that were fetched together with it.
            raise TryAgain(0)
        try:
            await self._parts.device.request_room_key(row.room_id, source)
        except SendFailed as fault:
            logger.warning("a room key is not asked for yet: %s", fault)

    async def _after_failure(self, row: JournalRow, fault: Exception, megolm_place: str | None = None) -> None:
        """Raises ``TryAgain``, unless the event was tried often enough; an outage is waited out without counting."""
        if is_outage(fault):
            raise fault
        attempts = row.attempts + 1
        logger.error("handling an event failed, attempt %d of %d: %s", attempts, _ATTEMPTS, fault_without_text(fault))
        await self._parts.journal.failed(row)
        if attempts >= _ATTEMPTS:
            await self._parts.journal.park(row, "handler failed", megolm_place)
        else:
            raise TryAgain(2.0 ** (attempts - 1))


def is_outage(fault: Exception) -> bool:
    """Whether it is no fault of the event's: a homeserver or a database that is away or full."""
    if isinstance(fault, SendFailed):
        return fault.outage
    # PostgreSQL's faults have many names; those that the statement itself is to blame for are these.
    return isinstance(fault, DBAPIError) and not isinstance(
        fault, DataError | IntegrityError | NotSupportedError | ProgrammingError
    )
