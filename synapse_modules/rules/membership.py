"""Memberships as a state machine: what is said of a person's insurance, and what her account is because of it.

Pure functions over what the store reads and writes back; time is an argument. The stages: insured, announced, locked
from 00:00 in Germany on the first day without insurance, deactivated after a grace time.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from messenger_core.calendar_periods import berlin_day, from_milliseconds, start_of_day, to_milliseconds

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
"""Between these days a membership may end; what lies outside is a mistake in writing."""
_LONGEST_PAUSE = timedelta(seconds=30)


class Stage(StrEnum):
    """Where a membership stands, as the core system is told."""

    INSURED = "insured"
    ANNOUNCED = "announced"
    LOCKED = "locked"
    DEACTIVATED = "deactivated"


class AccountState(StrEnum):
    """What an account is.

    ``PENDING`` until Synapse has registered it. ``LOCKED`` refuses every request and can be opened again.
    ``DEACTIVATING`` is decided for good while Synapse's data is still being removed; then ``DEACTIVATED``.
    """

    PENDING = "pending"
    LIVE = "live"
    LOCKED = "locked"
    DEACTIVATING = "deactivating"
    DEACTIVATED = "deactivated"


class LockReason(StrEnum):
    """Why an account is locked."""

    MEMBERSHIP_ENDED = "membership-ended"
    OTHER_INSURER = "other-insurer"
    """Her GesundheitsID named another insurer at a sign-in, before the core system said so."""
    CLOSED = "closed"
    """A practice that the directory closed."""


_OF_MEMBERSHIP = frozenset({LockReason.MEMBERSHIP_ENDED, LockReason.OTHER_INSURER})


@dataclass(frozen=True, slots=True)
class Statement:
    """What the core system says of a membership.

    Attributes:
        ends_on: the first day on which the person is no longer insured; None takes an end back.
        issued_at: when that was said, in milliseconds since 1970: the moment that the message names, else its arrival.
        is_dated: whether the message itself named the moment.
    """

    ends_on: date | None
    issued_at: int
    is_dated: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """What is known of a membership.

    Attributes:
        ends_on: the first day without insurance; None if no end is known.
        issued_at: when the newest statement was issued.
        spent_on: the day of the end by which an earlier account of the person was deactivated.
    """

    ends_on: date | None = None
    issued_at: int = 0
    spent_on: date | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """An account as the machine sees it; ``locked_at`` is in milliseconds since 1970."""

    state: AccountState
    lock: LockReason | None = None
    locked_at: int | None = None


def is_outdated(statement: Statement, known: Membership) -> bool:
    """Whether a statement says nothing any more.

    An older one never changes what a newer one said. One without a date of its own that repeats the end by which an
    earlier account was deactivated was meant for that account, and not for the one that the person made since.
    """
    if statement.issued_at < known.issued_at:
        return True
    return (
        not statement.is_dated
        and statement.ends_on is not None
        and known.ends_on is None
        and known.spent_on is not None
        and statement.ends_on <= known.spent_on
    )


def with_statement(known: Membership, statement: Statement) -> Membership:
    """The membership after a statement that is not outdated."""
    return replace(known, ends_on=statement.ends_on, issued_at=statement.issued_at)


def stage_on(ends_on: date | None, today: date) -> Stage:
    """The stage of a person's membership on a day, whether she has an account or not.

    Args:
        ends_on: the first day on which the person is no longer insured; None if no end is known.
        today: the day in Europe/Berlin.
    """
    if ends_on is None:
        return Stage.INSURED
    return Stage.LOCKED if ends_on <= today else Stage.ANNOUNCED


def stage_told(membership: Membership, standing: Standing | None, today: date) -> Stage:
    """The stage that the core system is told: that of the account, if it went further than the membership alone."""
    stage = stage_on(membership.ends_on, today)
    if standing is not None and standing.state is AccountState.LOCKED:
        return Stage.LOCKED
    if standing is not None and standing.state is AccountState.DEACTIVATING:
        return Stage.DEACTIVATED
    if stage is Stage.LOCKED and standing is None and membership.spent_on == membership.ends_on:
        return Stage.DEACTIVATED
    return stage


def locked(standing: Standing, reason: LockReason, now: datetime) -> Standing:
    """A live account locked; any other stays as it is."""
    is_live = standing.state is AccountState.LIVE
    return Standing(AccountState.LOCKED, reason, to_milliseconds(now)) if is_live else standing


def opened(standing: Standing) -> Standing:
    """An account that was locked because of its membership, opened again; any other stays as it is."""
    is_ours = standing.state is AccountState.LOCKED and standing.lock in _OF_MEMBERSHIP
    return Standing(AccountState.LIVE) if is_ours else standing


def standing_by(standing: Standing, ends_on: date | None, now: datetime) -> Standing:
    """What an insured person's account must be because of her membership; asked again, it finds the same.

    Args:
        standing: what it is.
        ends_on: the first day without insurance; None if no end is known.
        now: the moment.
    """
    has_ended = stage_on(ends_on, berlin_day(now)) is Stage.LOCKED
    if has_ended:
        return locked(standing, LockReason.MEMBERSHIP_ENDED, now)
    return opened(standing) if standing.lock is LockReason.MEMBERSHIP_ENDED else standing


def is_given_up(standing: Standing, now: datetime, grace: timedelta) -> bool:
    """Whether an account was locked because of its membership for so long that it is not opened any more."""
    if standing.state is not AccountState.LOCKED or standing.lock not in _OF_MEMBERSHIP or standing.locked_at is None:
        return False
    return now >= from_milliseconds(standing.locked_at) + grace


def pause_until_next_look(now: datetime) -> timedelta:
    """How long the machine may rest: memberships end at 00:00 in Germany, and what was interrupted is found soon."""
    midnight = start_of_day(berlin_day(now) + timedelta(days=1))
    return min(midnight - now, _LONGEST_PAUSE)
