"""When a practice is open: hours of the week, special days, and whether it is open at a moment.

Hours are wall-clock times in Germany (Europe/Berlin). That a practice has not said its hours is a value of its own:
who does not know must not answer "closed", nor "open".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from itertools import pairwise
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, Field

from directory_service.rules.profile_types import MOST_BLOCKS, MOST_SPECIAL_DAYS, Day, Note, each_once

BERLIN = ZoneInfo("Europe/Berlin")
END_OF_DAY = 24 * 60


class Weekday(StrEnum):
    """The days of a week, in its order; the codes of FHIR's DaysOfWeek."""

    MONDAY = "mon"
    TUESDAY = "tue"
    WEDNESDAY = "wed"
    THURSDAY = "thu"
    FRIDAY = "fri"
    SATURDAY = "sat"
    SUNDAY = "sun"


WEEKDAYS = tuple(day.value for day in Weekday)
"""Their codes; a day's place is that of ``date.weekday()``."""


class OpenState(StrEnum):
    """What is known about a moment."""

    OPEN = "open"
    CLOSED = "closed"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, order=True)
class TimeBlock:
    """One stretch of a day; both in minutes since midnight, ``closes`` up to 1440 and not itself open.

    Raises:
        ValueError: if it does not end after it began; hours past midnight are two blocks.
    """

    opens: int
    closes: int

    def __post_init__(self) -> None:
        if not 0 <= self.opens < self.closes <= END_OF_DAY:
            raise ValueError("a block must end after it begins, on the same day (24:00 is its end)")

    def holds(self, minute: int) -> bool:
        """Whether a minute of the day lies in it."""
        return self.opens <= minute < self.closes


def apart(blocks: tuple[TimeBlock, ...]) -> bool:
    """Whether blocks are sorted and neither overlap nor touch."""
    return all(one.closes < other.opens for one, other in pairwise(blocks))


def _in_order(blocks: tuple[TimeBlock, ...]) -> tuple[TimeBlock, ...]:
    if not apart(blocks):
        raise ValueError("blocks of a day stand in their order, with a break between them")
    return blocks


Blocks = Annotated[tuple[TimeBlock, ...], Field(max_length=MOST_BLOCKS), AfterValidator(_in_order)]
"""The hours of a day."""


class SpecialReason(StrEnum):
    """Why a day is special; the codes of gematik's OpeningTimeQualifierCS."""

    EMERGENCY_SERVICE = "notdienst"
    SPECIAL = "sonderoeffnung"


@dataclass(frozen=True, slots=True)
class SpecialDay:
    """A day whose hours replace those of the week; without blocks it is closed all day.

    Attributes:
        day: the day in Germany.
        blocks: its hours, sorted and apart.
        reason: why it is open otherwise.
        note: what patients read, e.g. ``Heiligabend``; may be empty.
    """

    day: Day
    blocks: Blocks = ()
    reason: SpecialReason = SpecialReason.SPECIAL
    note: Note = ""


def _days_once(days: tuple[SpecialDay, ...]) -> tuple[SpecialDay, ...]:
    each_once([special.day for special in days])
    return days


SpecialDays = Annotated[tuple[SpecialDay, ...], Field(max_length=MOST_SPECIAL_DAYS), AfterValidator(_days_once)]


@dataclass(frozen=True, slots=True)
class OpeningHours:
    """The hours that a practice has said.

    Attributes:
        weekly: seven tuples, Monday first, each with the sorted blocks of its day (empty: closed); None if unknown.
        special: days that differ, sorted, each day once; known even if the week is not.
    """

    weekly: tuple[Blocks, ...] | None = None
    special: SpecialDays = ()

    def __post_init__(self) -> None:
        if self.weekly is not None and len(self.weekly) != 7:
            raise ValueError("a week has seven days")

    def blocks_on(self, day: date) -> tuple[TimeBlock, ...] | None:
        """The hours of one day; None if they are unknown."""
        for special in self.special:
            if special.day == day:
                return special.blocks
        return None if self.weekly is None else self.weekly[day.weekday()]


UNKNOWN_HOURS = OpeningHours()
"""Of a practice that has said nothing."""


def open_state(hours: OpeningHours, at: datetime) -> OpenState:
    """Whether the hours hold a moment.

    Args:
        hours: what the practice said.
        at: the moment, with a zone.
    """
    local = at.astimezone(BERLIN)
    blocks = hours.blocks_on(local.date())
    if blocks is None:
        return OpenState.UNKNOWN
    minute = local.hour * 60 + local.minute
    return OpenState.OPEN if any(block.holds(minute) for block in blocks) else OpenState.CLOSED
