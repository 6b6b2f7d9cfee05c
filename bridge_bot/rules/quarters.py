"""Rule: team rooms are cut by calendar quarters in German local time, so that whole stretches can be erased."""

from __future__ import annotations

from datetime import datetime

from messenger_core.calendar_periods import berlin_day


def quarter_of(moment: datetime) -> str:
    """The calendar quarter of ``moment`` in Europe/Berlin, e.g. ``2026q4``."""
    day = berlin_day(moment)
    return f"{day.year}q{(day.month - 1) // 3 + 1}"
