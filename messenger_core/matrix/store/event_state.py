"""What a row of the journal is, and where it stands."""

from __future__ import annotations

from enum import StrEnum


class EventState(StrEnum):
    """Where an event is. There is no state for "being handled": after a kill it is simply handled again."""

    PENDING = "pending"
    WAITING_KEY = "waiting_key"
    PARKED = "parked"
    SETTLED = "settled"


class EventKind(StrEnum):
    """What was received."""

    EVENT = "event"
    INVITATION = "invitation"
    GAP = "gap"
    """No event: it says that missing events of a room cannot be read any more."""
