"""When something is due, in German local time."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.calendar_periods import BERLIN
from retention.rules.moments import erase_before, next_night, offer_month, parse_as_of


def test_a_day_means_its_first_moment_in_germany() -> None:
    assert parse_as_of("2027-05-24") == datetime(2027, 5, 23, 22, tzinfo=UTC)


def test_a_moment_keeps_its_zone_and_loses_fractions_of_a_second() -> None:
    assert parse_as_of("2027-05-24T10:00:00.5+02:00") == datetime(2027, 5, 24, 8, tzinfo=UTC)


@pytest.mark.parametrize("text", ["2027-05-24T10:00:00", "24.05.2027", "2027-02-30", "tomorrow", ""])
def test_a_moment_without_zone_or_sense_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="--as-of"):
        parse_as_of(text)


def test_five_years_are_calendar_years() -> None:
    assert erase_before(parse_as_of("2031-11-24"), 5) == parse_as_of("2026-11-24")
    assert erase_before(parse_as_of("2029-02-28"), 1) == parse_as_of("2028-02-28")


def test_the_month_of_an_offer_is_the_one_in_germany() -> None:
    assert offer_month(datetime(2027, 4, 30, 22, 30, tzinfo=UTC)) == "2027-05"


@given(
    st.integers(0, 10 * 366 * 24 * 60).map(
        lambda minutes: datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    )
)
def test_the_next_night_is_three_o_clock_in_germany_and_within_a_day(now: datetime) -> None:
    night = next_night(now)
    local = night.astimezone(BERLIN)
    # On the last Sunday of March the clock goes from two to three; in October three comes once, after the second two.
    assert (local.hour, local.minute) == (3, 0)
    assert timedelta(0) < night - now <= timedelta(hours=25)
