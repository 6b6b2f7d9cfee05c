"""The job of the five years: erases old support conversations at the homeserver, then at the bot, and verifies it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from messenger_core.calendar_periods import shown, to_milliseconds
from messenger_core.clock import Clock
from messenger_core.service_auth.client import CallFailed
from retention.rules.unusual_erasures import UsualErasure
from retention.store.erasures import DueRoom, Erasure, Erasures
from retention.use_cases.machines import Bot, Homeserver
from retention.use_cases.offers_job import Progress


@dataclass(frozen=True, slots=True)
class ErasureResult:
    """What the job erased, and what it could not.

    Attributes:
        before: everything in support that is older was due; milliseconds since 1970.
        rooms: rooms in which something was due.
        erased_rooms: rooms of which the homeserver confirmed now that nothing remains there.
        messages: messages that were due, by the bot's account.
        media: files that were due.
        remains: one line for each thing that is not erased; empty if all is done.
    """

    before: int
    rooms: int
    erased_rooms: int
    messages: int
    media: int
    remains: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Allowance:
    """How much a run may erase.

    Attributes:
        usual: what it may without being asked about.
        accepted: so many messages and files in any case.
    """

    usual: UsualErasure
    accepted: int = 0


class DueErasure:
    """What is due to be erased, and its erasure: at the homeserver first, then at the bot.

    The bot erases last, because its list of files is what the homeserver is asked to delete.
    """

    def __init__(self, homeserver: Homeserver, bot: Bot, erasures: Erasures, progress: Progress, clock: Clock) -> None:
        """Takes what to call with a line at each step."""
        self._homeserver = homeserver
        self._bot = bot
        self._erasures = erasures
        self._progress = progress
        self._clock = clock

    async def look(self, before: datetime, allowance: Allowance, *, as_of: datetime) -> ErasureResult:
        """Counts what ``erase`` would erase, and says whether it would stop; nothing is done.

        Raises:
            CallFailed: if the bot refuses or does not answer.
        """
        due = await self._due(before)
        if (question := await self._question(due, before, allowance, as_of)) is not None:
            self._progress(f"erasures: {question}")
        return _result(before, due, erased_rooms=0, remains=())

    async def erase(self, before: datetime, allowance: Allowance, *, as_of: datetime) -> ErasureResult:
        """Erases everything in support from before a moment, and finishes an erasure that was interrupted.

        Raises:
            CallFailed: if the bot or the homeserver refuses or does not answer; the next run goes on from there.
        """
        interrupted = await self._erasures.running()
        if interrupted is not None:
            before = max(before, interrupted.before)
            self._progress("erasures: an interrupted erasure is finished")
        due = await self._due(before)
        question = await self._question(due, before, allowance, as_of)
        if question is not None and interrupted is not None and before > interrupted.before:
            # What was begun was meant; what became due since is asked about in the next run.
            before = interrupted.before
            due, question = await self._due(before), None
        if question is not None and interrupted is None:
            self._progress(f"erasures: {question}")
            return _result(before, due, erased_rooms=0, remains=(question,))
        if not due and interrupted is None and (await self._bot.held(before)).nothing:
            return _result(before, (), erased_rooms=0, remains=())
        running = await self._erasures.begin(before=before, rooms=due)
        remains = await self._erase_at_homeserver(running)
        erased_rooms = len(running.due) - len(remains)
        if not remains:
            remains = await self._erase_at_bot(running)
        return _result(running.before, due, erased_rooms=erased_rooms, remains=tuple(remains))

    async def _due(self, before: datetime) -> list[DueRoom]:
        due = await self._bot.due(before)
        messages, files = _count(due)
        line = f"{messages} messages and {files} files due in {len(due)} rooms"
        self._progress(f"erasures: before {shown(before)}: {line}")
        return due

    async def _question(
        self, due: Sequence[DueRoom], before: datetime, allowance: Allowance, as_of: datetime
    ) -> str | None:
        """What to ask before so much is erased; None if it is usual, or accepted."""
        count = sum(_count(due))
        if count <= allowance.accepted:
            return None
        everything = await self._bot.held(max(before, as_of, self._clock()) + timedelta(days=1))
        held = everything.messages + everything.media
        if not allowance.usual.is_exceeded(count, held):
            return None
        return (
            f"nothing was erased: {count} messages and files of {held} would be, which is unusual; "
            f"check the moment, and repeat with --accept-count {count} if it is meant"
        )

    async def _erase_at_homeserver(self, running: Erasure) -> list[str]:
        """Erases room by room; one that fails does not stop the others. Returns a line for each that remains."""
        remains = []
        for number, room in enumerate(running.due, 1):
            name = f"room {number} of {len(running.due)}"
            try:
                left = await self._homeserver.erase(room, running.before)
            except CallFailed as fault:
                remains.append(f"{name}: not erased: {fault}")
            else:
                if left.nothing:
                    await self._erasures.homeserver_done(running.id, room.room_id)
                    self._progress(f"erasures: {name}: erased at the homeserver")
                    continue
                remains.append(f"{name}: {left.events} events and {left.media} files remain")
            self._progress(f"erasures: {remains[-1]}")
        return remains

    async def _erase_at_bot(self, running: Erasure) -> list[str]:
        erased = await self._bot.erase(running.before)
        line = f"{erased.messages} messages, {erased.media} files, {erased.tickets} tickets"
        self._progress(f"erasures: the bot erased {line}")
        held = await self._bot.held(running.before)
        if not held.nothing:
            remains = f"the bot still holds {held.messages} messages, {held.media} files, {held.tickets} tickets"
            self._progress(f"erasures: {remains}")
            return [remains]
        await self._erasures.finish(running, self._clock())
        self._progress("erasures: done and sealed in the proof")
        return []


def _count(due: Sequence[DueRoom]) -> tuple[int, int]:
    """Messages and files."""
    return sum(room.messages for room in due), sum(len(room.media) for room in due)


def _result(before: datetime, due: Sequence[DueRoom], *, erased_rooms: int, remains: tuple[str, ...]) -> ErasureResult:
    messages, media = _count(due)
    return ErasureResult(to_milliseconds(before), len(due), erased_rooms, messages, media, remains)
