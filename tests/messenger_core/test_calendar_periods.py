"""Six months and five years are calendar periods in German time."""

from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.calendar_periods import (
    BERLIN,
    berlin_day,
    from_milliseconds,
    months_before,
    shown,
    start_of_day,
    to_milliseconds,
)

MOMENTS = st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_a_day_that_the_earlier_month_lacks_becomes_its_last_day() -> None:
    august = datetime(2027, 8, 31, 12, 0, tzinfo=BERLIN)
    assert months_before(august, 6) == datetime(2027, 2, 28, 12, 0, tzinfo=BERLIN)


def test_the_wall_clock_stays_across_the_change_to_summer_time() -> None:
    assert shown(months_before(datetime(2026, 7, 1, 9, 0, tzinfo=BERLIN), 6)) == "01.01.2026, 09:00"


def test_a_moment_without_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        months_before(datetime(2026, 1, 1), 1)  # noqa: DTZ001 - what is tested


@given(MOMENTS, st.integers(0, 120))
def test_a_longer_period_reaches_further_back(moment: datetime, months: int) -> None:
    assert months_before(moment, months + 1) < months_before(moment, months) <= moment


@given(MOMENTS)
def test_matrix_timestamps_round_trip(moment: datetime) -> None:
    assert abs((from_milliseconds(to_milliseconds(moment)) - moment).total_seconds()) <= 0.001


@given(st.dates(min_value=date(2000, 1, 1), max_value=date(2100, 1, 1)))
def test_a_day_starts_on_that_day_in_berlin(day: date) -> None:
    assert berlin_day(start_of_day(day)) == day
