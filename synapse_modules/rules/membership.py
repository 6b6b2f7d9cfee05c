"""The stages of a membership: insured, its end announced, ended and locked."""

from __future__ import annotations

from datetime import date
from enum import StrEnum


class Stage(StrEnum):
    """Where a membership stands on a day."""

    INSURED = "insured"
    ANNOUNCED = "announced"
    LOCKED = "locked"


def stage_on(ends_on: date | None, today: date) -> Stage:
    """The stage on a day.

    Args:
        ends_on: the first day on which the person is no longer insured; None if no end is known.
        today: the day in Europe/Berlin.
    """
    if ends_on is None:
        return Stage.INSURED
    return Stage.LOCKED if ends_on <= today else Stage.ANNOUNCED
