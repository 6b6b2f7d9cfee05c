"""Store: what became of each event that was received."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.events import ToSend, WaitingEvent
from messenger_core.matrix.store.event_state import EventKind, EventState
from messenger_core.matrix.store.outbox import Outbox, keyed
from messenger_core.matrix.store.tables import session_tables


@dataclass(frozen=True, slots=True)
class JournalRow:
    """An event that is to be handled.

    Attributes:
        kind: ``event`` or ``invitation``.
        source: the event as it came, as JSON.
        attempts: how often its handler failed.
        batch: the answer of the homeserver that it came with.
    """

    event_id: str
    room_id: str
    kind: str
    source: str
    attempts: int
    batch: int


@dataclass(frozen=True, slots=True)
class Relations:
    """What is known of an event from others that came before it was handled."""

    redacted: bool
    replaced_by: str | None


class Journal:
    """The journal of one account."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        tables = session_tables(sa.MetaData())
        self._rows, self._relations, self._gaps = tables.journal, tables.relation, tables.gap

    async def rooms(self) -> list[str]:
        """The rooms in which something is to be done."""
        rows, gaps = self._rows, self._gaps
        pending = sa.select(rows.c.room_id).where(self._in(EventState.PENDING))
        missing = sa.select(gaps.c.room_id).where(gaps.c.user_id == self._user_id)
        async with self._engine.connect() as connection:
            return list((await connection.execute(pending.union(missing))).scalars())

    async def next(self, room_id: str, count: int) -> list[JournalRow]:
        """The first pending events of a room, in their turn."""
        rows = self._rows
        query = (
            sa.select(rows)
            .where(self._in(EventState.PENDING), rows.c.room_id == room_id, self._may_be_handled())
            .order_by(rows.c.batch, rows.c.place)
            .limit(count)
        )
        async with self._engine.connect() as connection:
            found = (await connection.execute(query)).all()
        return [JournalRow(row.event_id, row.room_id, row.kind, row.source, row.attempts, row.batch) for row in found]

    async def relations(self, room_id: str, event_id: str, sender: str) -> Relations:
        """What others said about an event; a correction counts only if it is by the same sender."""
        relation = self._relations
        query = sa.select(relation).where(
            relation.c.user_id == self._user_id, relation.c.room_id == room_id, relation.c.target == event_id
        )
        async with self._engine.connect() as connection:
            found = (await connection.execute(query.order_by(relation.c.received_at))).all()
        corrections = [row.event_id for row in found if row.kind == "replaces" and row.sender == sender]
        return Relations(
            redacted=any(row.kind == "redacts" for row in found),
            replaced_by=corrections[-1] if corrections else None,
        )

    async def relate(self, event_id: str, room_id: str, *, replaces: str, sender: str, received_at: datetime) -> None:
        """Notes a correction that was said inside the ciphertext alone."""
        row = insert_into(self._engine, self._relations).values(
            user_id=self._user_id,
            event_id=event_id,
            room_id=room_id,
            target=replaces,
            kind="replaces",
            sender=sender,
            received_at=to_milliseconds(received_at),
        )
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing(index_elements=["user_id", "event_id"]))

    async def was_read_elsewhere(self, row: JournalRow, megolm_place: str) -> bool:
        """Whether another event was read with the same key and index: the same ciphertext sent once more."""
        rows = self._rows
        query = sa.select(rows.c.event_id).where(
            rows.c.user_id == self._user_id,
            rows.c.room_id == row.room_id,
            rows.c.megolm_place == megolm_place,
            rows.c.event_id != row.event_id,
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(query.limit(1))).first() is not None

    async def settle(
        self, row: JournalRow, answers: Sequence[ToSend], *, outbox: Outbox, megolm_place: str | None, now: datetime
    ) -> None:
        """Ends an event and queues what its handler answered, in one transaction."""
        changes = {
            "state": EventState.SETTLED.value,
            "source": None,
            "session_id": None,
            "reason": None,
            "megolm_place": megolm_place,
            "since": to_milliseconds(now),
        }
        async with self._engine.begin() as connection:
            if row.kind == EventKind.INVITATION:
                # A newer invitation into the same room is still to be decided.
                await connection.execute(self._rows.delete().where(self._this(row), self._rows.c.batch == row.batch))
            else:
                await connection.execute(self._rows.update().where(self._this(row)).values(**changes))
            for key, what in keyed(row.event_id, answers):
                await outbox.add(connection, what, key=key, now=now)

    async def failed(self, row: JournalRow) -> None:
        """Counts a failure of the handler."""
        await self._change(row, attempts=row.attempts + 1)

    async def park(self, row: JournalRow, reason: str, megolm_place: str | None = None) -> None:
        """Sets an event aside; the room goes on without it.

        Args:
            row: the event.
            reason: a short code, without anything of the event's content.
            megolm_place: what it was read with, if it was.
        """
        await self._change(row, state=EventState.PARKED.value, reason=reason, megolm_place=megolm_place)

    async def wait_for_key(self, row: JournalRow, session_id: str) -> None:
        """Sets an event aside until its room key comes."""
        await self._change(row, state=EventState.WAITING_KEY.value, session_id=session_id)

    async def _change(self, row: JournalRow, **changes: object) -> None:
        async with self._engine.begin() as connection:
            # An event that was deleted in the meantime is pending again, with another source.
            unchanged = sa.and_(self._this(row), self._rows.c.source == row.source)
            await connection.execute(self._rows.update().where(unchanged).values(**changes))

    async def release(self, session_ids: Collection[str]) -> list[str]:
        """Lets the events that waited for these room keys have their turn; their rooms."""
        return await self._release(self._in(EventState.WAITING_KEY), self._rows.c.session_id.in_(sorted(session_ids)))

    async def release_waiting(self) -> list[str]:
        """Lets every event that waits for its key have its turn; their rooms."""
        return await self._release(self._in(EventState.WAITING_KEY))

    async def release_parked(self) -> list[str]:
        """Gives every parked event one more attempt; their rooms."""
        return await self._release(self._in(EventState.PARKED), self._rows.c.kind != EventKind.GAP.value)

    async def _release(self, *which: sa.ColumnElement[bool]) -> list[str]:
        rows = self._rows
        async with self._engine.begin() as connection:
            rooms = list((await connection.execute(sa.select(rows.c.room_id).where(*which).distinct())).scalars())
            if rooms:
                await connection.execute(rows.update().where(*which).values(state=EventState.PENDING.value))
        return rooms

    async def waiting(self, room_id: str | None = None) -> list[WaitingEvent]:
        """The events that wait for their key, oldest first; of one room, or of all."""
        rows = self._rows
        query = sa.select(rows).where(self._in(EventState.WAITING_KEY)).order_by(rows.c.batch, rows.c.place)
        if room_id is not None:
            query = query.where(rows.c.room_id == room_id)
        async with self._engine.connect() as connection:
            found = (await connection.execute(query)).all()
        return [
            WaitingEvent(row.room_id, row.event_id, from_milliseconds(row.received_at), from_milliseconds(row.since))
            for row in found
        ]

    def _may_be_handled(self) -> sa.ColumnElement[bool]:
        """Nothing that came before it has still to be fetched; an invitation may be what makes it readable again."""
        gaps, rows = self._gaps, self._rows
        missing = sa.exists().where(
            gaps.c.user_id == rows.c.user_id, gaps.c.room_id == rows.c.room_id, gaps.c.batch <= rows.c.batch
        )
        return sa.or_(~missing, rows.c.kind == EventKind.INVITATION.value)

    def _in(self, state: EventState) -> sa.ColumnElement[bool]:
        return sa.and_(self._rows.c.user_id == self._user_id, self._rows.c.state == state.value)

    def _this(self, row: JournalRow) -> sa.ColumnElement[bool]:
        return sa.and_(self._rows.c.user_id == self._user_id, self._rows.c.event_id == row.event_id)
