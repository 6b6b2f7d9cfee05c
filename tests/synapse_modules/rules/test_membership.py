"""The stages of a membership as a state machine: every order of statements and days, by property."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from messenger_core.calendar_periods import BERLIN, start_of_day, to_milliseconds
from synapse_modules.rules.membership import (
    AccountState,
    LockReason,
    Membership,
    Stage,
    Standing,
    Statement,
    is_given_up,
    is_outdated,
    opened,
    pause_until_next_look,
    stage_on,
    stage_told,
    standing_by,
    with_statement,
)

GRACE = timedelta(days=30)
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LIVE = Standing(AccountState.LIVE)
days = st.none() | st.dates(date(2026, 1, 1), date(2027, 12, 31))
moments = st.integers(0, 2 * 365 * 86_400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
statements = st.builds(Statement, days, st.integers(1, 50), st.just(True))
standings = st.sampled_from(AccountState).flatmap(
    lambda state: (
        st.builds(Standing, st.just(state), st.sampled_from(LockReason), st.integers(1, 2**41))
        if state is AccountState.LOCKED
        else st.just(Standing(state))
    )
)


@given(days.filter(bool), st.dates())
def test_a_membership_is_locked_from_its_first_day_without_insurance(ends_on: date, today: date) -> None:
    assert stage_on(ends_on, today) is (Stage.LOCKED if today >= ends_on else Stage.ANNOUNCED)
    assert stage_on(None, today) is Stage.INSURED


@given(st.lists(statements, max_size=6), st.randoms())
def test_dated_statements_lead_to_the_same_membership_in_every_order(said: list[Statement], chance: object) -> None:
    unlike = list({statement.issued_at: statement for statement in said}.values())
    shuffled = unlike.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    ends = set()
    for order in (unlike, shuffled, shuffled + unlike):
        membership = Membership()
        for statement in order:
            if not is_outdated(statement, membership):
                membership = with_statement(membership, statement)
        ends.add(membership)
    assert len(ends) == 1


@given(standings, days, moments)
def test_the_machine_settles_at_once_and_revives_nobody(
    standing: Standing, ends_on: date | None, now: datetime
) -> None:
    settled = standing_by(standing, ends_on, now)
    assert standing_by(settled, ends_on, now) == settled
    gone = {AccountState.DEACTIVATING, AccountState.DEACTIVATED}
    if standing.state in gone:
        assert settled == opened(settled) == standing
        assert not is_given_up(settled, now, GRACE)
    if standing.lock is LockReason.CLOSED:
        assert settled == opened(settled) == standing
        assert not is_given_up(standing, now + 100 * GRACE, GRACE)
    if settled.state is AccountState.LIVE:
        assert stage_on(ends_on, now.astimezone(BERLIN).date()) is not Stage.LOCKED


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 10, 26), date(2026, 12, 31)])
def test_the_lock_comes_at_midnight_of_germanys_clock_also_when_that_is_changed(day: date) -> None:
    midnight = start_of_day(day)
    assert standing_by(LIVE, day, midnight - timedelta(milliseconds=1)) == LIVE
    locked = standing_by(LIVE, day, midnight)
    assert locked == Standing(AccountState.LOCKED, LockReason.MEMBERSHIP_ENDED, to_milliseconds(midnight))
    assert not is_given_up(locked, midnight + GRACE - timedelta(milliseconds=1), GRACE)
    assert is_given_up(locked, midnight + GRACE, GRACE)


def test_a_late_end_gives_the_whole_grace_time() -> None:
    locked = standing_by(LIVE, date(2026, 1, 1), NOW)
    assert not is_given_up(locked, NOW + timedelta(days=29), GRACE)


@given(moments)
def test_the_clock_looks_at_midnight_and_often(now: datetime) -> None:
    pause = pause_until_next_look(now)
    assert timedelta() < pause <= timedelta(seconds=30)
    assert start_of_day((now + pause).astimezone(BERLIN).date()) <= now + pause
    assert (now + pause - timedelta(microseconds=1)).astimezone(BERLIN).date() == now.astimezone(BERLIN).date()


@pytest.mark.parametrize(
    ("membership", "standing", "stage"),
    [
        (Membership(), LIVE, Stage.INSURED),
        (Membership(date(2026, 12, 1)), LIVE, Stage.ANNOUNCED),
        (Membership(), Standing(AccountState.LOCKED, LockReason.OTHER_INSURER, 1), Stage.LOCKED),
        (Membership(date(2026, 1, 1)), Standing(AccountState.DEACTIVATING), Stage.DEACTIVATED),
        (Membership(date(2026, 1, 1), 1, date(2026, 1, 1)), None, Stage.DEACTIVATED),
        (Membership(date(2026, 2, 1), 1, date(2026, 1, 1)), None, Stage.LOCKED),
        (Membership(None, 1, date(2026, 1, 1)), None, Stage.INSURED),
    ],
)
def test_the_core_system_is_told_how_far_it_went(
    membership: Membership, standing: Standing | None, stage: Stage
) -> None:
    assert stage_told(membership, standing, date(2026, 11, 24)) is stage


def test_a_repeated_end_without_a_date_means_the_account_that_it_was_sent_for() -> None:
    spent = Membership(None, 5, date(2026, 6, 1))
    again = Statement(date(2026, 6, 1), 9)
    assert is_outdated(again, spent)
    assert not is_outdated(replace(again, is_dated=True), spent)
    assert not is_outdated(replace(again, ends_on=date(2026, 6, 2)), spent)
    assert not is_outdated(again, replace(spent, ends_on=date(2026, 7, 1)))
