"""Waits that double up to a limit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.backoff import Backoff


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=1.5, most_s=10)
    assert [backoff.wait_s(failures) for failures in range(6)] == [0, 1.5, 3, 6, 10, 10]


@given(failures=st.integers(0, 10**30))
def test_any_number_of_failures_has_a_wait_within_the_limits(failures: int) -> None:
    assert 0 <= Backoff(first_s=0.1, most_s=60).wait_s(failures) <= 60


@pytest.mark.parametrize(("first_s", "most_s"), [(0, 1), (-1, 1), (2, 1), (float("nan"), 1)])
def test_impossible_waits_are_refused(first_s: float, most_s: float) -> None:
    with pytest.raises(ValueError, match="not possible"):
        Backoff(first_s, most_s)


def test_a_negative_number_of_failures_is_refused() -> None:
    with pytest.raises(ValueError, match="not possible"):
        Backoff(1, 2).wait_s(-1)
