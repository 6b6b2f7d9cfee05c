"""The present moment, and how it is handed to whoever needs it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]
"""Says what time it is, with a zone."""


def present() -> datetime:
    """The present moment."""
    return datetime.now(UTC)
