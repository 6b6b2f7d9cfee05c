"""Until when a practice is open, or when it opens next."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.absence import Absence
from directory_service.rules.opening_hours import BERLIN, OpeningHours, OpenState, SpecialDay, TimeBlock
from directory_service.rules.opening_outlook import Outlook, outlook
from directory_service.rules.profile import Profile

MORNING, AFTERNOON = TimeBlock(8 * 60, 12 * 60), TimeBlock(14 * 60, 24 * 60)
WEEK = ((MORNING, AFTERNOON), (MORNING,), (), (MORNING,), (), (), ())
HOURS = OpeningHours(WEEK, (SpecialDay(date(2026, 12, 3)),))


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """A moment of November or December 2026; 23 November is a Monday, day 31 is 1 December."""
    return datetime(2026, 11 + (day > 30), day - 30 * (day > 30), hour, minute, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        (at(23, 7), Outlook(OpenState.CLOSED, day=date(2026, 11, 23), minute=480)),
        (at(23, 8), Outlook(OpenState.OPEN, day=date(2026, 11, 23), minute=720)),
        (at(23, 13), Outlook(OpenState.CLOSED, day=date(2026, 11, 23), minute=840)),
        (at(23, 23, 59), Outlook(OpenState.OPEN, day=date(2026, 11, 23), minute=1440)),
        (at(24, 12), Outlook(OpenState.CLOSED, day=date(2026, 11, 26), minute=480)),
        (at(26, 13), Outlook(OpenState.CLOSED, day=date(2026, 11, 30), minute=480)),
        (at(32, 9), Outlook(OpenState.CLOSED, day=date(2026, 12, 7), minute=480)),
    ],
)
def test_what_is_told_at_a_moment(moment: datetime, expected: Outlook) -> None:
    assert outlook(Profile("Praxis", opening_hours=HOURS), moment) == expected


def test_an_absence_hides_the_days_between() -> None:
    away = Profile("Praxis", opening_hours=HOURS, absence=Absence(date(2026, 11, 23), date(2026, 11, 26)))
    assert outlook(away, at(23, 9)) == Outlook(OpenState.CLOSED, True, date(2026, 11, 30), 480)
    long = Profile("Praxis", opening_hours=HOURS, absence=Absence(date(2026, 11, 23), date(2026, 12, 23)))
    assert outlook(long, at(23, 9)) == Outlook(OpenState.CLOSED, absent=True)


def test_unknown_hours_stay_unknown() -> None:
    assert outlook(Profile("Praxis"), at(23, 9)) == Outlook(OpenState.UNKNOWN)
    known_day = OpeningHours(None, (SpecialDay(date(2026, 11, 23)),))
    assert outlook(Profile("Praxis", opening_hours=known_day), at(23, 9)) == Outlook(OpenState.CLOSED)


@given(st.integers(0, 30 * 24 * 60))
def test_the_state_changes_when_it_is_said_to(minutes: int) -> None:
    moment, profile = at(20, 0) + timedelta(minutes=minutes), Profile("Praxis", opening_hours=HOURS)
    known = outlook(profile, moment)
    assert known.state is profile.open_state(moment)
    assert known.day is not None
    if known.minute < 1440:
        then = datetime(known.day.year, known.day.month, known.day.day, *divmod(known.minute, 60), tzinfo=BERLIN)
        assert then > moment
        assert profile.open_state(then) is (OpenState.CLOSED if known.state is OpenState.OPEN else OpenState.OPEN)
