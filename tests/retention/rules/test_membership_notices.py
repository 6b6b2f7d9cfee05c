"""When a person is told that her membership ends, also when that is known late, moved or taken back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.calendar_periods import BERLIN
from retention.rules.membership_notices import KnownEnd, Notice, NoticeKind, notice_due

ON = date(2027, 4, 5)  # summer time begins a week before


def berlin(day: int, hour: int, month: int = 4) -> datetime:
    return datetime(2027, month, day, hour, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("now", "told", "days_before"),
    [
        (berlin(22, 8, 3), None, None),
        (berlin(22, 9, 3), None, 14),
        (berlin(22, 9, 3), 14, None),
        (berlin(29, 8, 3), 14, None),
        (berlin(29, 9, 3), 14, 7),
        (berlin(29, 9, 3), None, 7),
        (berlin(4, 8), 7, None),
        (berlin(4, 9), 7, 1),
        (berlin(4, 9), None, 1),
        (berlin(4, 23), 1, None),
        (berlin(5, 0), None, None),
        (berlin(9, 12), 14, None),
    ],
)
def test_she_is_told_fourteen_seven_and_one_day_before(
    now: datetime, told: int | None, days_before: int | None
) -> None:
    end = KnownEnd(ON, ON if told else None, told)
    expected = None if days_before is None else Notice(NoticeKind.ENDS, ON, days_before)
    assert notice_due(end, now) == expected


def test_a_day_that_moved_is_told_at_once_and_then_counts_for_itself() -> None:
    moved = KnownEnd(date(2027, 6, 1), ON, 7)
    assert notice_due(moved, berlin(1, 12)) == Notice(NoticeKind.MOVED, date(2027, 6, 1), None)
    told = KnownEnd(date(2027, 6, 1), date(2027, 6, 1), None)
    assert notice_due(told, berlin(1, 12)) is None
    assert notice_due(told, berlin(18, 12, 5)) == Notice(NoticeKind.ENDS, date(2027, 6, 1), 14)
    nearer = KnownEnd(date(2027, 4, 3), ON, 14)
    assert notice_due(nearer, berlin(1, 12)) == Notice(NoticeKind.MOVED, date(2027, 4, 3), 7)


def test_who_was_told_of_an_end_is_told_that_it_was_taken_back() -> None:
    assert notice_due(KnownEnd(None, ON, 14), berlin(1, 3)) == Notice(NoticeKind.GOES_ON, None, None)
    assert notice_due(KnownEnd(None), berlin(1, 12)) is None


@given(st.integers(0, 40 * 24), st.integers(1, 48))
def test_nobody_is_told_more_than_three_times_nor_nothing_at_all(known_hours_before: int, step_h: int) -> None:
    midnight = datetime(2027, 4, 5, tzinfo=BERLIN).astimezone(UTC)
    now, end, sent = midnight - timedelta(hours=known_hours_before), KnownEnd(ON), []
    while now < midnight + timedelta(days=2):
        notice = notice_due(end, now)
        if notice is not None:
            sent.append(notice.days_before)
            end = KnownEnd(ON, notice.ends_on, notice.days_before)
            assert notice_due(end, now) is None
        now += timedelta(hours=step_h)
    assert sent == sorted(sent, key=lambda days: -(days or 0))
    assert len(set(sent)) == len(sent) <= 3
    if known_hours_before >= 15:
        assert sent or step_h > 15
