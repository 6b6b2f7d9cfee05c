"""Opening hours: the week, special days, what is not known, and Germany's clock."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.absence import Absence
from directory_service.rules.opening_hours import (
    BERLIN,
    END_OF_DAY,
    UNKNOWN_HOURS,
    OpeningHours,
    OpenState,
    SpecialDay,
    TimeBlock,
    apart,
    open_state,
)
from directory_service.rules.profile import Profile

MORNING, AFTERNOON = TimeBlock(8 * 60, 12 * 60), TimeBlock(14 * 60, 18 * 60)
WEEK = ((MORNING, AFTERNOON), (MORNING,), (), (MORNING,), (TimeBlock(0, END_OF_DAY),), (), ())
CHRISTMAS_EVE = SpecialDay(date(2026, 12, 24), (), note="Heiligabend")
LONG_WEDNESDAY = SpecialDay(date(2026, 11, 25), (AFTERNOON,))
HOURS = OpeningHours(WEEK, (LONG_WEDNESDAY, CHRISTMAS_EVE))


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("moment", "state"),
    [
        ("2026-11-23T07:59:59", OpenState.CLOSED),
        ("2026-11-23T08:00", OpenState.OPEN),
        ("2026-11-23T11:59:59", OpenState.OPEN),
        ("2026-11-23T12:00", OpenState.CLOSED),
        ("2026-11-23T17:00", OpenState.OPEN),
        ("2026-11-24T17:00", OpenState.CLOSED),
        ("2026-11-25T09:00", OpenState.CLOSED),
        ("2026-11-25T15:00", OpenState.OPEN),
        ("2026-11-18T15:00", OpenState.CLOSED),
        ("2026-11-27T00:00", OpenState.OPEN),
        ("2026-11-27T23:59:59", OpenState.OPEN),
        ("2026-11-28T00:00", OpenState.CLOSED),
        ("2026-12-24T09:00", OpenState.CLOSED),
        ("2026-12-17T09:00", OpenState.OPEN),
    ],
)
def test_a_moment_is_open_or_closed_by_the_hours_of_its_day(moment: str, state: OpenState) -> None:
    assert open_state(HOURS, at(moment)) is state


def test_hours_are_those_of_germany_in_winter_and_in_summer() -> None:
    assert open_state(HOURS, datetime(2026, 11, 23, 7, tzinfo=UTC)) is OpenState.OPEN
    assert open_state(HOURS, datetime(2026, 7, 20, 6, tzinfo=UTC)) is OpenState.OPEN
    assert open_state(HOURS, datetime(2026, 11, 23, 6, tzinfo=UTC)) is OpenState.CLOSED
    assert open_state(HOURS, datetime(2026, 11, 26, 23, 30, tzinfo=UTC)) is OpenState.OPEN


def test_hours_that_nobody_said_are_neither_open_nor_closed() -> None:
    assert open_state(UNKNOWN_HOURS, at("2026-11-23T09:00")) is OpenState.UNKNOWN
    only_a_day = OpeningHours(None, (CHRISTMAS_EVE,))
    assert open_state(only_a_day, at("2026-12-24T09:00")) is OpenState.CLOSED
    assert open_state(only_a_day, at("2026-12-23T09:00")) is OpenState.UNKNOWN


@given(st.integers(-10, END_OF_DAY + 10), st.integers(-10, END_OF_DAY + 10))
def test_a_block_ends_after_it_begins_on_the_same_day(opens: int, closes: int) -> None:
    if 0 <= opens < closes <= END_OF_DAY:
        assert TimeBlock(opens, closes).holds(opens)
        assert not TimeBlock(opens, closes).holds(closes)
    else:
        with pytest.raises(ValueError):
            TimeBlock(opens, closes)


def test_blocks_are_apart_only_if_sorted_and_with_a_break_between() -> None:
    assert apart((MORNING, AFTERNOON))
    assert apart(())
    for blocks in ((AFTERNOON, MORNING), (MORNING, TimeBlock(12 * 60, 13 * 60)), (MORNING, MORNING)):
        assert not apart(blocks)


def test_a_week_has_seven_days() -> None:
    with pytest.raises(ValueError):
        OpeningHours(WEEK[:6])


def test_during_an_absence_a_practice_is_closed_whole_days_long() -> None:
    away = Profile("Praxis", opening_hours=HOURS, absence=Absence(date(2026, 11, 23), date(2026, 11, 24)))
    assert away.open_state(at("2026-11-23T09:00")) is OpenState.CLOSED
    assert away.open_state(at("2026-11-24T09:00")) is OpenState.CLOSED
    assert away.open_state(at("2026-11-26T09:00")) is OpenState.OPEN
    assert away.open_state(at("2026-11-20T09:00")) is OpenState.OPEN


def test_an_absence_does_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError):
        Absence(date(2026, 11, 24), date(2026, 11, 23))
