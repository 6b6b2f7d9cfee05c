"""When a practice is away, and who stands in; it stays listed meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Annotated

from pydantic import AfterValidator, ValidationInfo

from directory_service.rules.opening_hours import BERLIN
from directory_service.rules.profile_types import Day, SubstituteText, Telephone


@dataclass(frozen=True, slots=True)
class Substitute:
    """Who sees the practice's patients meanwhile.

    Attributes:
        text: name and place, as patients read it.
        telephone: a number that they can call, or empty.
    """

    text: SubstituteText
    telephone: Telephone = ""


def _not_before_the_first(last_day: date, info: ValidationInfo) -> date:
    first_day = info.data.get("first_day")
    if first_day is not None and last_day < first_day:
        raise ValueError("it must not be before first_day")
    return last_day


@dataclass(frozen=True, slots=True)
class Absence:
    """Whole days in Germany, both included.

    Raises:
        ValueError: if the last day is before the first.
    """

    first_day: Day
    last_day: Annotated[Day, AfterValidator(_not_before_the_first)]
    substitute: Substitute | None = None

    def __post_init__(self) -> None:
        if self.last_day < self.first_day:
            raise ValueError("the last day of an absence is not before its first")

    def holds(self, at: datetime) -> bool:
        """Whether the practice is away at a moment, which has a zone."""
        return self.first_day <= at.astimezone(BERLIN).date() <= self.last_day
