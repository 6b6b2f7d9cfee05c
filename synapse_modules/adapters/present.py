"""The present moment, where adapters take it from."""

from __future__ import annotations

from datetime import UTC, datetime

from messenger_core.calendar_periods import to_milliseconds


def now() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def now_ms() -> int:
    """The present moment in milliseconds since 1970."""
    return to_milliseconds(now())
