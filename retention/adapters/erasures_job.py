"""The job of the five years: erases old support conversations at the homeserver, then at the bot, and verifies it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from messenger_core.calendar_periods import shown, to_milliseconds
from messenger_core.service_auth.client import CallFailed
from retention.adapters.bot import Bot
from retention.adapters.homeserver import Homeserver
from retention.adapters.offers_job import Progress
from retention.store.erasures import Erasure, Erasures


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


async def erase_due(
    homeserver: Homeserver, bot: Bot, erasures: Erasures, *, before: datetime, progress: Progress
) -> ErasureResult:
    """Erases everything in support from before a moment, and finishes an erasure that was interrupted.

    The bot erases last, because its list of files is what the homeserver is asked to delete.

    Raises:
        CallFailed: if the bot or the homeserver refuses or does not answer; the next run goes on from there.
    """
    interrupted = await erasures.running()
    if interrupted is not None:
        before = max(before, interrupted.before)
        progress("erasures: an interrupted erasure is finished")
    due = await bot.due(before)
    messages, media = sum(room.messages for room in due), sum(len(room.media) for room in due)
    progress(f"erasures: before {shown(before)}: {messages} messages and {media} files due in {len(due)} rooms")
    if not due and interrupted is None and (await bot.held(before)).nothing:
        return ErasureResult(to_milliseconds(before), 0, 0, 0, 0, ())
    running = await erasures.begin(before=before, rooms=due)
    remains = await _erase_at_homeserver(homeserver, erasures, running, progress)
    erased_rooms = len(running.due) - len(remains)
    if not remains:
        remains = await _erase_at_bot(bot, erasures, running, progress)
    return ErasureResult(to_milliseconds(running.before), len(due), erased_rooms, messages, media, tuple(remains))


async def _erase_at_homeserver(
    homeserver: Homeserver, erasures: Erasures, running: Erasure, progress: Progress
) -> list[str]:
    """Erases room by room; one that fails does not stop the others. Returns a line for each that remains."""
    remains = []
    for number, room in enumerate(running.due, 1):
        name = f"room {number} of {len(running.due)}"
        try:
            left = await homeserver.erase(room, running.before)
        except CallFailed as fault:
            remains.append(f"{name}: not erased: {fault}")
        else:
            if left.nothing:
                await erasures.homeserver_done(running.id, room.room_id)
                progress(f"erasures: {name}: erased at the homeserver")
                continue
            remains.append(f"{name}: {left.remaining_events} events and {left.remaining_media} files remain")
        progress(f"erasures: {remains[-1]}")
    return remains


async def _erase_at_bot(bot: Bot, erasures: Erasures, running: Erasure, progress: Progress) -> list[str]:
    erased = await bot.erase(running.before)
    progress(f"erasures: the bot erased {erased.messages} messages, {erased.media} files, {erased.tickets} tickets")
    held = await bot.held(running.before)
    if not held.nothing:
        remains = f"the bot still holds {held.messages} messages, {held.media} files, {held.tickets} tickets"
        progress(f"erasures: {remains}")
        return [remains]
    await erasures.finish(running, datetime.now(UTC))
    progress("erasures: done and sealed in the proof")
    return []
