"""When jobs run and up to which moment something is due."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

from messenger_core.calendar_periods import BERLIN, berlin_day, months_before, start_of_day

_NIGHTLY = time(3, 0)


def parse_as_of(text: str) -> datetime:
    """The moment that ``--as-of`` names, in whole seconds.

    Args:
        text: a day, ``2027-05-24``, which means 00:00 in Europe/Berlin, or a moment of RFC 3339 with its zone.

    Raises:
        ValueError: if it is neither; the text says what is allowed.
    """
    try:
        return start_of_day(date.fromisoformat(text))
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ValueError(
            f"--as-of: {text!r} is not allowed: give a day like 2027-05-24 (00:00 in Germany) "
            "or a moment with its zone like 2027-05-24T10:00:00Z"
        )
    return moment.replace(microsecond=0)


def check_not_future(as_of: datetime, now: datetime) -> None:
    """Refuses a moment that has not come: what is erased or left by a slip of the hand never comes back.

    Raises:
        ValueError: if it has not; the text says what to do.
    """
    if as_of > now:
        raise ValueError(
            f"--as-of: {as_of.isoformat()} lies in the future, and what is due by then is not due yet; "
            "check the year, or say --future as well if it is meant"
        )


def erase_before(as_of: datetime, support_years: int) -> datetime:
    """Everything in support that is older than this moment is erased: calendar years, not multiples of 365 days."""
    return months_before(as_of, 12 * support_years)


def next_night(now: datetime) -> datetime:
    """The next 03:00 in Europe/Berlin after ``now``."""
    today = datetime.combine(berlin_day(now), _NIGHTLY, tzinfo=BERLIN)
    if today > now:
        return today
    return datetime.combine(berlin_day(now) + timedelta(days=1), _NIGHTLY, tzinfo=BERLIN)


def offer_month(as_of: datetime) -> str:
    """The calendar month in Germany that an offer counts for, e.g. ``2027-05``."""
    return berlin_day(as_of).strftime("%Y-%m")
