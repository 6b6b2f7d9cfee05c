"""When an insured person is told that her membership ends: 14, 7 and 1 days before, and when that changes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from messenger_core.calendar_periods import BERLIN, start_of_day

DAYS_BEFORE = (14, 7, 1)
# Nobody's telephone rings at midnight because of this.
_MORNING = time(9, 0)


class NoticeKind(StrEnum):
    """What she is told; each has a text of its own in ``texts.yaml``."""

    ENDS = "membership_ends"
    MOVED = "membership_moved"
    GOES_ON = "membership_goes_on"


@dataclass(frozen=True, slots=True)
class KnownEnd:
    """An announced end, and what the person was told of it.

    Attributes:
        ends_on: the first day without insurance; None if the end was taken back.
        told_day: the day that she was told last; None if she was told nothing.
        told_days_before: which of the notices about that day she was sent last.
    """

    ends_on: date | None
    told_day: date | None = None
    told_days_before: int | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """A notice that is due; ``days_before`` is the nearest of the three that its moment has come for, if any has."""

    kind: NoticeKind
    ends_on: date | None
    days_before: int | None


def notice_due(end: KnownEnd, now: datetime) -> Notice | None:
    """The notice that is due at a moment, or None.

    An end that is announced late is told at once, by the one notice that stands for those that are missed. From the
    day itself on nothing is told: the account is locked, and nobody would read it.
    """
    if end.ends_on is None:
        return None if end.told_day is None else Notice(NoticeKind.GOES_ON, None, None)
    if now >= start_of_day(end.ends_on):
        return None
    reached = [days for days in DAYS_BEFORE if now >= _morning(end.ends_on - timedelta(days=days))]
    nearest = min(reached, default=None)
    if end.told_day is not None and end.told_day != end.ends_on:
        return Notice(NoticeKind.MOVED, end.ends_on, nearest)
    if nearest is None or (end.told_days_before is not None and end.told_days_before <= nearest):
        return None
    return Notice(NoticeKind.ENDS, end.ends_on, nearest)


def _morning(day: date) -> datetime:
    return datetime.combine(day, _MORNING, tzinfo=BERLIN)
