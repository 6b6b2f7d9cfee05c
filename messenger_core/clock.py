"""The one clock: what says what time it is, and how it is handed to whoever needs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Clock = Callable[[], datetime]
"""Says what time it is, with a zone. Wiring hands ``present`` on; tests hand on a clock of their own."""


def present() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)


def present_ms() -> int:
    """The present moment in milliseconds since 1970."""
    return (present() - _EPOCH) // timedelta(milliseconds=1)
