"""At which moments the tests have to pass, whatever the day on which somebody runs them."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

BERLIN = ZoneInfo("Europe/Berlin")
A_DAY = 2
"""How many moments of all are tried on one day where not all are."""


@dataclass(frozen=True)
class Moment:
    """A moment at which a run of the tests begins.

    Attributes:
        name: what is special about it, for the terminal.
        starts_at: when the clocks of the run begin, in UTC.
    """

    name: str
    starts_at: datetime


def _last_sunday(year: int, month: int) -> date:
    last = date(year, month, calendar.monthrange(year, month)[1])
    return last - timedelta(days=(last.weekday() - calendar.SUNDAY) % 7)


def _days(after: date) -> Iterator[date]:
    while True:
        after += timedelta(days=1)
        yield after


def _is_last_sunday(day: date, month: int) -> bool:
    return day.month == month and day == _last_sunday(day.year, month)


def moments(today: date) -> tuple[Moment, ...]:
    """The next moment of each kind after a day: in the future, since nothing that is made earlier may expire in them.

    At 02:30 in March no clock stands: it is the moment at which one would that nobody has put forward, half an hour
    before the change. In October it is 02:30 twice; the second one is meant.
    """

    def at(day: date, clock: time, fold: int = 0) -> datetime:
        return datetime.combine(day, clock.replace(fold=fold), BERLIN).astimezone(UTC)

    tuesday = next(day for day in _days(today) if day.weekday() == calendar.TUESDAY)
    spring = next(day for day in _days(today) if _is_last_sunday(day, 3))
    autumn = next(day for day in _days(today) if _is_last_sunday(day, 10))
    new_years_eve = next(day for day in _days(today) if (day.month, day.day) == (12, 31))
    leap_day = next(day for day in _days(today) if (day.month, day.day) == (2, 29))
    return (
        Moment("Tuesday 10:40", at(tuesday, time(10, 40))),
        Moment("Sunday 02:30, before the clocks go forward", at(spring, time(2, 30), fold=1)),
        Moment("Sunday 03:30, after the clocks went forward", at(spring, time(3, 30))),
        Moment("31 December 23:50", at(new_years_eve, time(23, 50))),
        Moment("Sunday 02:30 for the second time", at(autumn, time(2, 30), fold=1)),
        Moment("Sunday 03:30, after the clocks went back", at(autumn, time(3, 30))),
        Moment("29 February 13:00", at(leap_day, time(13))),
    )


def moments_of_the_day(today: date) -> tuple[Moment, ...]:
    """Those that are tried on a day: others on the next, and all of them within a few days."""
    every = moments(today)
    first = today.toordinal() * A_DAY
    return tuple(every[(first + number) % len(every)] for number in range(A_DAY))
