"""Store: takes an answer of the homeserver in, everything that it holds and the new position in one transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.events import Invitation, redacted_by, related
from messenger_core.matrix.store.event_state import EventKind, EventState
from messenger_core.matrix.store.outbox import KEPT_AFTER_SENDING, SENDING_ID_KEY, Outbox
from messenger_core.matrix.store.tables import session_tables
from messenger_core.matrix.sync_answer import RoomEvent, SyncAnswer

_ONLY_STATE_OF_REDACTED = ("event_id", "sender", "type", "origin_server_ts", "state_key")


@dataclass(frozen=True, slots=True)
class Gap:
    """What a limited timeline left out of a room; see ``tables.gap``."""

    room_id: str
    batch: int
    token: str
    until: str
    next_place: int


@dataclass(frozen=True, slots=True)
class OwnEvents:
    """What an answer says about what we sent ourselves.

    Attributes:
        acknowledged: outbox rows that the homeserver is now known to have taken.
        foreign: events of this very device that the outbox does not know: a copy of it has sent them.
    """

    acknowledged: frozenset[int] = field(default_factory=frozenset)
    foreign: int = 0


class Intake:
    """Writes what was received. Nothing of it is handled here."""

    def __init__(self, engine: AsyncEngine, user_id: str, outbox: Outbox) -> None:
        self._engine = engine
        self._user_id = user_id
        self._outbox = outbox
        self._tables = session_tables(sa.MetaData())

    async def position(self) -> str | None:
        """The token to sync from, None before the first sync."""
        position = self._tables.position
        query = sa.select(position.c.next_batch).where(position.c.user_id == self._user_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def take_in(self, answer: SyncAnswer, *, since: str | None, device_id: str, now: datetime) -> OwnEvents:
        """Writes an answer down; after a kill the homeserver is asked for it again, or all of it is here.

        Args:
            answer: what the homeserver answered.
            since: the position that was asked from.
            device_id: the account's device.
            now: the present.
        """
        tables, user_id = self._tables, self._user_id
        async with self._engine.begin() as connection:
            batch = await self._next_batch(connection)
            await self._journal(connection, answer.events, range(len(answer.events)), batch, now)
            await self._invite(connection, answer.invitations, batch, now)
            own = await self._own(connection, answer.events, device_id, now)
            if since is not None:
                await self._open_gaps(connection, answer, since=since, batch=batch)
            if answer.to_device:
                rows = [{"user_id": user_id, "source": json.dumps(message)} for message in answer.to_device]
                await connection.execute(tables.to_device.insert(), rows)
            await self._mark_stale(connection, answer.changed_devices, batch)
            await self._move(connection, answer, batch)
        return own

    async def _open_gaps(self, connection: AsyncConnection, answer: SyncAnswer, *, since: str, batch: int) -> None:
        absence = self._tables.absence
        mine = absence.c.user_id == self._user_id
        away = {row.room_id: row.until for row in await connection.execute(sa.select(absence).where(mine))}
        for limited in answer.limited:
            gap = {
                "user_id": self._user_id,
                "room_id": limited.room_id,
                "batch": batch,
                "token": limited.token,
                "until": away.get(limited.room_id, since),
                "next_place": -1,
            }
            await connection.execute(self._tables.gap.insert().values(**gap))
        ended = sorted((answer.joined | answer.left) & away.keys())
        if ended:
            await connection.execute(absence.delete().where(mine, absence.c.room_id.in_(ended)))
        for invitation in answer.invitations:
            await self._note_absence(connection, invitation.room_id, since)

    async def is_away(self, room_id: str) -> bool:
        """Whether the account is out of a room and may come back into it."""
        absence = self._tables.absence
        query = sa.select(absence.c.room_id).where(absence.c.user_id == self._user_id, absence.c.room_id == room_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).first() is not None

    async def _note_absence(self, connection: AsyncConnection, room_id: str, until: str) -> None:
        """Remembers how far a room was read before the account was out of it; the oldest such moment counts."""
        row = insert_into(self._engine, self._tables.absence).values(
            user_id=self._user_id, room_id=room_id, until=until
        )
        await connection.execute(row.on_conflict_do_nothing(index_elements=["user_id", "room_id"]))

    async def _next_batch(self, connection: AsyncConnection) -> int:
        position = self._tables.position
        query = sa.select(position.c.batch).where(position.c.user_id == self._user_id)
        return ((await connection.execute(query)).scalar_one_or_none() or 0) + 1

    async def _move(self, connection: AsyncConnection, answer: SyncAnswer, batch: int) -> None:
        changes: dict[str, Any] = {"next_batch": answer.next_batch, "batch": batch}
        if answer.one_time_keys is not None:
            changes["one_time_keys"] = answer.one_time_keys
        row = insert_into(self._engine, self._tables.position).values(user_id=self._user_id, **changes)
        await connection.execute(row.on_conflict_do_update(index_elements=["user_id"], set_=changes))

    async def _mark_stale(self, connection: AsyncConnection, owners: Iterable[str], batch: int) -> None:
        # In one order everywhere, so that two transactions never wait for each other.
        for owner in sorted(owners):
            row = insert_into(self._engine, self._tables.stale_devices).values(
                user_id=self._user_id, owner=owner, batch=batch
            )
            await connection.execute(
                row.on_conflict_do_update(index_elements=["user_id", "owner"], set_={"batch": batch})
            )

    async def _journal(
        self, connection: AsyncConnection, events: Sequence[RoomEvent], places: range, batch: int, now: datetime
    ) -> None:
        moment = to_milliseconds(now)
        others = [(place, event) for place, event in zip(places, events, strict=True) if event.sender != self._user_id]
        rows = [
            {
                "user_id": self._user_id,
                "event_id": event.event_id,
                "room_id": event.room_id,
                "batch": batch,
                "place": place,
                # Nobody's clock makes a message younger than the moment in which it was here.
                "received_at": min(event.received_at, moment),
                "since": moment,
                "kind": EventKind.EVENT.value,
                "state": EventState.PENDING.value,
                # Escaped: a database does not take every character that a stranger may send.
                "source": json.dumps(event.source),
                "attempts": 0,
            }
            for place, event in others
        ]
        if rows:
            insert = insert_into(self._engine, self._tables.journal)
            await connection.execute(insert.on_conflict_do_nothing(index_elements=["user_id", "event_id"]), rows)
        for _, event in others:
            await self._relate(connection, event, min(event.received_at, moment))

    async def _relate(self, connection: AsyncConnection, event: RoomEvent, received_at: int) -> None:
        """Notes what a redaction deletes or a message corrects, and empties what was deleted before it was handled."""
        content = event.source.get("content")
        if event.type == "m.room.redaction":
            kind, target = "redacts", redacted_by(event.source)
        elif isinstance(content, dict):
            kind, target = "replaces", related(content, "m.replace")
        else:
            return
        if target is None:
            return
        row = insert_into(self._engine, self._tables.relation).values(
            user_id=self._user_id,
            event_id=event.event_id,
            room_id=event.room_id,
            target=target,
            kind=kind,
            sender=event.sender,
            received_at=received_at,
        )
        await connection.execute(row.on_conflict_do_nothing(index_elements=["user_id", "event_id"]))
        if kind == "redacts":
            await self._empty(connection, event.room_id, target)

    async def _empty(self, connection: AsyncConnection, room_id: str, event_id: str) -> None:
        journal = self._tables.journal
        deleted = sa.and_(
            journal.c.user_id == self._user_id,
            journal.c.room_id == room_id,
            journal.c.event_id == event_id,
            journal.c.source.is_not(None),
        )
        source = (await connection.execute(sa.select(journal.c.source).where(deleted))).scalar_one_or_none()
        if source is not None:
            event = json.loads(source)
            rest = {key: event[key] for key in _ONLY_STATE_OF_REDACTED if key in event}
            # It need not wait for its key any longer: there is nothing left to read.
            changes = {
                "source": json.dumps(rest | {"content": {}}),
                "state": EventState.PENDING.value,
                "session_id": None,
            }
            await connection.execute(journal.update().where(deleted).values(**changes))

    async def _invite(
        self, connection: AsyncConnection, invitations: Sequence[Invitation], batch: int, now: datetime
    ) -> None:
        moment = to_milliseconds(now)
        for place, invitation in enumerate(invitations):
            row = {
                "user_id": self._user_id,
                # Stripped state has no event id; an invitation that was decided is forgotten, so the next one counts.
                "event_id": f"invitation {invitation.room_id}",
                "room_id": invitation.room_id,
                "batch": batch,
                "place": place,
                "received_at": moment,
                "since": moment,
                "kind": EventKind.INVITATION.value,
                "state": EventState.PENDING.value,
                "source": json.dumps({"sender": invitation.inviter}),
                "attempts": 0,
            }
            insert = insert_into(self._engine, self._tables.journal).values(**row)
            newer = {key: row[key] for key in ("batch", "place", "state", "source", "attempts")}
            await connection.execute(insert.on_conflict_do_update(index_elements=["user_id", "event_id"], set_=newer))

    async def _own(
        self, connection: AsyncConnection, events: Iterable[RoomEvent], device_id: str, now: datetime
    ) -> OwnEvents:
        acknowledged: set[int] = set()
        foreign = 0
        # What is older may have been sent under a row that is forgotten; it comes again when a room is joined anew.
        youngest = to_milliseconds(now - KEPT_AFTER_SENDING / 2)
        for event in events:
            if event.sender != self._user_id:
                continue
            sending_id = _text(event, SENDING_ID_KEY)
            if sending_id is not None:
                row = await self._outbox.acknowledge(
                    connection, sending_id, event.event_id, _text(event, "session_id"), now
                )
                if row is not None:
                    acknowledged.add(row)
                elif _text(event, "device_id") == device_id and event.received_at > youngest:
                    foreign += 1
            elif event.type == "m.room.redaction":
                target = redacted_by(event.source)
                if target is not None:
                    acknowledged |= await self._outbox.acknowledge_redaction(
                        connection, event.room_id, target, event.event_id, now
                    )
        return OwnEvents(frozenset(acknowledged), foreign)

    async def gaps(self, room_id: str) -> list[Gap]:
        """What is missing of a room, oldest first."""
        gap = self._tables.gap
        mine = sa.and_(gap.c.user_id == self._user_id, gap.c.room_id == room_id)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(sa.select(gap).where(mine).order_by(gap.c.batch))).all()
        return [Gap(row.room_id, row.batch, row.token, row.until, row.next_place) for row in rows]

    async def give_up(self, gap: Gap, now: datetime) -> None:
        """Closes a gap that cannot be read any more, visibly; it is tried again if the account comes back."""
        row = self._tables.gap
        this = sa.and_(row.c.user_id == self._user_id, row.c.room_id == gap.room_id, row.c.batch == gap.batch)
        moment = to_milliseconds(now)
        mark = insert_into(self._engine, self._tables.journal).values(
            user_id=self._user_id,
            event_id=f"gap {gap.room_id} {gap.batch}",
            room_id=gap.room_id,
            batch=gap.batch,
            place=gap.next_place,
            received_at=moment,
            since=moment,
            kind=EventKind.GAP.value,
            state=EventState.PARKED.value,
            attempts=0,
            reason="missing events cannot be read",
        )
        async with self._engine.begin() as connection:
            await connection.execute(row.delete().where(this))
            await connection.execute(mark.on_conflict_do_nothing(index_elements=["user_id", "event_id"]))
            await self._note_absence(connection, gap.room_id, gap.until)

    async def fill(
        self, gap: Gap, events: Sequence[RoomEvent], *, token: str | None, device_id: str, now: datetime
    ) -> OwnEvents:
        """Writes one page of what was missing.

        Args:
            gap: what is missing.
            events: the page, newest first.
            token: from where to go on; None if nothing is missing any more.
            device_id: the account's device.
            now: the present.
        """
        row = self._tables.gap
        this = sa.and_(row.c.user_id == self._user_id, row.c.room_id == gap.room_id, row.c.batch == gap.batch)
        async with self._engine.begin() as connection:
            places = range(gap.next_place, gap.next_place - len(events), -1)
            await self._journal(connection, events, places, gap.batch, now)
            own = await self._own(connection, events, device_id, now)
            if token is None:
                await connection.execute(row.delete().where(this))
            else:
                later = {"token": token, "next_place": gap.next_place - len(events)}
                await connection.execute(row.update().where(this).values(**later))
        return own


def _text(event: RoomEvent, key: str) -> str | None:
    content = event.source.get("content")
    value = content.get(key) if isinstance(content, dict) else None
    return value if isinstance(value, str) else None
