"""What patients want to know of opening hours: until when a practice is open, or when it opens next."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from directory_service.rules.opening_hours import BERLIN, OpenState
from directory_service.rules.profile import Profile

_LOOK_AHEAD_DAYS = 14


@dataclass(frozen=True, slots=True)
class Outlook:
    """The state at a moment, and its end.

    Attributes:
        state: what is known.
        absent: whether the practice is away.
        day: when it closes or opens next, as a day in Germany; None if that is unknown or more than two weeks off.
        minute: the time of that day in minutes since midnight; 1440 is its end.
    """

    state: OpenState
    absent: bool = False
    day: date | None = None
    minute: int = 0


def outlook(profile: Profile, at: datetime) -> Outlook:
    """What is known about a moment, which has a zone, and about what follows it."""
    local = at.astimezone(BERLIN)
    today, minute = local.date(), local.hour * 60 + local.minute
    state = profile.open_state(at)
    absent = profile.absence is not None and profile.absence.holds(at)
    if state is OpenState.UNKNOWN:
        return Outlook(state)
    if state is OpenState.OPEN:
        (block,) = (block for block in profile.opening_hours.blocks_on(today) or () if block.holds(minute))
        return Outlook(state, day=today, minute=block.closes)
    for later in range(_LOOK_AHEAD_DAYS + 1):
        day = today + timedelta(days=later)
        if profile.absence is not None and profile.absence.first_day <= day <= profile.absence.last_day:
            continue
        blocks = profile.opening_hours.blocks_on(day)
        if blocks is None:
            break
        for block in blocks:
            if later or block.opens > minute:
                return Outlook(state, absent, day, block.opens)
    return Outlook(state, absent)
