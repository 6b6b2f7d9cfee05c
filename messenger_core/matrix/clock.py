"""The present moment, for those who wire a session; everything else gets it as an argument."""

from __future__ import annotations

from datetime import UTC, datetime


def present() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)
