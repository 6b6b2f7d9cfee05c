"""Store: reads the clock of all tickets for the report."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.rules.messages import Direction
from bridge_bot.rules.promise import Answer, blocks
from bridge_bot.rules.report import ReportRow, report_row
from bridge_bot.store.tables import MESSAGE, TICKET
from bridge_bot.store.ticket_rows import ticket_of
from bridge_bot.store.tickets import answer_of
from messenger_core.calendar_periods import from_milliseconds


class PromiseReport:
    """One row for each block of messages that was ever received and is not erased."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def rows(self, as_of: datetime) -> list[ReportRow]:
        """The rows as they stood at ``as_of``, by the moment of receipt."""
        messages = (
            sa.select(MESSAGE).where(MESSAGE.c.direction.in_([Direction.IN, Direction.OUT])).order_by(MESSAGE.c.id)
        )
        async with self._engine.connect() as connection:
            tickets = {row.id: ticket_of(row) for row in await connection.execute(sa.select(TICKET))}
            rows = list(await connection.execute(messages))
        received: defaultdict[tuple[int | None, str], list[datetime]] = defaultdict(list)
        answers: defaultdict[int | None, list[Answer]] = defaultdict(list)
        for row in rows:
            if row.direction == Direction.OUT:
                answers[row.ticket_id].append(answer_of(row))
            else:
                received[self._conversation(row)].append(from_milliseconds(row.received_at))
        report: list[ReportRow] = []
        for (ticket_id, _), moments in received.items():
            ticket = tickets.get(ticket_id) if ticket_id is not None else None
            known = answers[ticket_id] if ticket else []
            closed_at = ticket.closed_at if ticket else None
            number, topic, team = (ticket.number, ticket.topic, ticket.team) if ticket else (None, None, None)
            report += [
                report_row(block, ticket=number, topic=topic, team=team, as_of=as_of)
                for block in blocks(moments, known, closed_at=closed_at, as_of=as_of)
            ]
        return sorted(report, key=lambda row: row.received)

    @staticmethod
    def _conversation(row: sa.Row[Any]) -> tuple[int | None, str]:
        """Messages are counted by ticket, and by person as long as they have none."""
        return (row.ticket_id, "") if row.ticket_id is not None else (None, row.sender)
