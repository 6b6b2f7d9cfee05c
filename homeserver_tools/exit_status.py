"""What the commands' exit statuses mean."""

from __future__ import annotations

from enum import IntEnum


class ExitStatus(IntEnum):
    """How a command ended."""

    DONE = 0
    REJECTED = 1
    """Done, but some rows were not taken; the report names them."""
    UNUSABLE = 2
    """It cannot be started so: a setting, or the file."""
    UNFINISHED = 3
    """Interrupted or refused on the way: run again, it goes on where it was."""
