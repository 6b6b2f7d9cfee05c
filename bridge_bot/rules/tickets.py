"""A ticket: one request of one insured person, answered by one team."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from messenger_core.calendar_periods import berlin_day


def ticket_number(ticket_id: int, opened_at: datetime) -> str:
    """The number that people see, e.g. ``2026-000042``."""
    return f"{berlin_day(opened_at).year}-{ticket_id:06d}"


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket.

    Attributes:
        room_id: the team room that its thread is in, None until the thread is begun.
        root_event_id: the thread's first event, None until the homeserver took it.
        note_hinted: whether the agents were told, since the last message or answer, that notes stay internal.
    """

    id: int
    user_id: str
    topic: str
    team: str
    opened_at: datetime
    room_id: str | None
    root_event_id: str | None
    closed_at: datetime | None
    note_hinted: bool

    @property
    def number(self) -> str:
        """The number that people see."""
        return ticket_number(self.id, self.opened_at)
