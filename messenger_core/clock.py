"""The one clock: what says what time it is, and how it is handed to whoever needs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Says what time it is, with a zone. Wiring hands ``present`` on; tests hand on a clock of their own."""


def present() -> datetime:
    """The present moment in UTC."""
    return datetime.now(UTC)
