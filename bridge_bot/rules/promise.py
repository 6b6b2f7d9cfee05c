"""Rule: every message is answered within 24 hours, by the clock on the wall, weekends included.

The unit is the block: the first message of the insured person after the last answer opens it, the next answer that
the homeserver acknowledged closes it. Notes, notices and topic lists never do. Computed on read, never stored.
Source: HEK FAQ, HEK Messenger: "Innerhalb von 24 Stunden erhalten Sie eine Antwort."
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

PROMISE = timedelta(hours=24)


class Kept(StrEnum):
    """Whether the promise was kept for a block."""

    YES = "yes"
    NO = "no"
    """Answered late, or due and not answered yet."""
    OPEN = "open"
    CLOSED = "closed"
    """Closed without an answer, with a reason."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An agent's answer.

    Attributes:
        event_id: the agent's event.
        written_at: when the agent wrote it; what the person wrote later it does not answer.
        delivered_at: when the homeserver took the person's copy, None as long as it has not.
    """

    event_id: str
    written_at: datetime
    delivered_at: datetime | None


@dataclass(frozen=True, slots=True)
class Block:
    """Messages of the insured person that one answer answers.

    Attributes:
        received_at: when the first of them arrived.
        answer: the answer to them, delivered or on its way, None if there is none.
        closed_at: when the ticket was closed without an answer to them.
    """

    received_at: datetime
    answer: Answer | None
    closed_at: datetime | None = None

    @property
    def due_at(self) -> datetime:
        """Until when an answer is promised."""
        return self.received_at + PROMISE

    @property
    def answered_at(self) -> datetime | None:
        """When the person had the answer."""
        return self.answer.delivered_at if self.answer else None

    @property
    def waits(self) -> bool:
        """Whether an answer is still to be written."""
        return self.answer is None and self.closed_at is None

    def kept(self, as_of: datetime) -> Kept:
        """Whether the promise was kept, seen at ``as_of``."""
        if self.answered_at is not None:
            return Kept.YES if self.answered_at <= self.due_at else Kept.NO
        if self.closed_at is not None:
            return Kept.CLOSED
        return Kept.OPEN if as_of <= self.due_at else Kept.NO


def blocks(
    received: Iterable[datetime], answers: Iterable[Answer], *, closed_at: datetime | None, as_of: datetime
) -> list[Block]:
    """The blocks of one ticket as they stood at ``as_of``, oldest first.

    Args:
        received: when each message of the insured person arrived.
        answers: the ticket's answers.
        closed_at: when the ticket was closed, None while it is open.
        as_of: the moment to look from; what happened later does not count.
    """
    known = sorted((answer for answer in answers if answer.written_at <= as_of), key=lambda a: a.written_at)
    closed = closed_at if closed_at is not None and closed_at <= as_of else None
    found: list[Block] = []
    for moment in sorted(moment for moment in received if moment <= as_of):
        answer = next((a for a in known if a.written_at >= moment), None)
        if answer is not None and answer.delivered_at is not None and answer.delivered_at > as_of:
            answer = replace(answer, delivered_at=None)
        if not found or found[-1].answer != answer:
            found.append(Block(moment, answer, closed if answer is None else None))
    return found
