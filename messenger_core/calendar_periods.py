"""Calendar periods in German local time: six months, five years, and how a moment is shown."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

BERLIN = ZoneInfo("Europe/Berlin")


def months_before(moment: datetime, months: int) -> datetime:
    """The moment ``months`` calendar months before ``moment``, at the same wall clock in Europe/Berlin, as UTC.

    A day that the earlier month does not have becomes its last day: six months before 31 August is 28 or 29 February.

    Raises:
        ValueError: if ``moment`` has no time zone or ``months`` is negative.
    """
    if moment.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    if months < 0:
        raise ValueError(f"a period of {months} months is negative")
    return (moment.astimezone(BERLIN) - relativedelta(months=months)).astimezone(UTC)


_CLOCKS_DIFFER_BY = timedelta(days=1)


def is_old_enough(before: datetime, years: int, now: datetime) -> bool:
    """Whether everything from before a moment is at least so many calendar years old.

    A day is left for clocks that differ and for what a leap year moves.
    """
    return before <= months_before(now, 12 * years) + _CLOCKS_DIFFER_BY


def start_of_day(day: date) -> datetime:
    """00:00 of ``day`` in Europe/Berlin, as UTC."""
    return datetime.combine(day, time(), tzinfo=BERLIN).astimezone(UTC)


def berlin_day(moment: datetime) -> date:
    """The calendar day that ``moment`` falls on in Europe/Berlin."""
    return moment.astimezone(BERLIN).date()


def shown(moment: datetime) -> str:
    """``moment`` as people in Germany read it, e.g. ``24.11.2026, 20:15``."""
    return moment.astimezone(BERLIN).strftime("%d.%m.%Y, %H:%M")


def from_milliseconds(milliseconds: int) -> datetime:
    """A Matrix timestamp (milliseconds since 1970) as an aware UTC datetime."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def to_milliseconds(moment: datetime) -> int:
    """An aware datetime as a Matrix timestamp in milliseconds."""
    return round(moment.timestamp() * 1000)
