"""Rule: the report on the 24-hour promise: one row a block, and their sum. No names, no texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge_bot.rules.promise import Block, Kept


@dataclass(frozen=True, slots=True)
class ReportRow:
    """One block of messages.

    Attributes:
        ticket: its number, None if no topic was chosen yet.
        minutes: from the first message to the answer, whole minutes.
    """

    ticket: str | None
    topic: str | None
    team: str | None
    received: datetime
    due: datetime
    answered: datetime | None
    minutes: int | None
    in_time: Kept


@dataclass(frozen=True, slots=True)
class Summary:
    """How many blocks there are, and how the promise was kept."""

    blocks: int
    in_time: int
    late: int
    open: int
    closed_without_answer: int


def report_row(block: Block, *, ticket: str | None, topic: str | None, team: str | None, as_of: datetime) -> ReportRow:
    """The row of one block, seen at ``as_of``."""
    answered = block.answered_at
    minutes = None if answered is None else int((answered - block.received_at).total_seconds() // 60)
    return ReportRow(ticket, topic, team, block.received_at, block.due_at, answered, minutes, block.kept(as_of))


def summary_of(rows: Sequence[ReportRow]) -> Summary:
    """The sum of all rows; a block that is due and unanswered counts as late."""
    count = Counter(row.in_time for row in rows)
    return Summary(len(rows), count[Kept.YES], count[Kept.NO], count[Kept.OPEN], count[Kept.CLOSED])
