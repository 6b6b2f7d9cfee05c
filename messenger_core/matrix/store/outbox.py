"""Store: what is to be sent, with its frozen content, until the homeserver named its event; and what was."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.events import Message, Redaction, ToSend, mentioning_nobody
from messenger_core.matrix.store.tables import session_tables

SENDING_ID_KEY = "de.hek.sending_id"
"""Where the random id of what was sent stands, beside the ciphertext."""
KEPT_AFTER_SENDING = timedelta(days=30)
"""How long it is remembered under which key something was sent."""


class SendingState(StrEnum):
    """What became of a row."""

    QUEUED = "queued"
    ACCEPTED = "accepted"
    """The homeserver named its event; a device has not got the room key yet."""
    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Sending:
    """A row of the outbox.

    Attributes:
        transaction_id: what the homeserver recognises a repetition by, for a day and on the same device.
    """

    id: int
    room_id: str
    key: str
    what: ToSend | None
    sending_id: str
    created_at: datetime
    state: SendingState
    event_id: str | None
    errcode: str | None

    @property
    def transaction_id(self) -> str:
        """Frozen with the row."""
        return self.sending_id


class Outbox:
    """The outbox of one account."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        tables = session_tables(sa.MetaData())
        self._rows, self._owed = tables.outbox, tables.owed_key

    async def put(self, what: ToSend, *, key: str, now: datetime) -> Sending:
        """Adds a row, or finds the one with this key; one that was refused is tried once more."""
        async with self._engine.begin() as connection:
            await self.add(connection, what, key=key, now=now)
            mine = sa.and_(self._rows.c.user_id == self._user_id, self._rows.c.key == key)
            refused = sa.and_(mine, self._rows.c.state == SendingState.REFUSED.value)
            await connection.execute(
                self._rows.update()
                .where(refused)
                .values(state=SendingState.QUEUED.value, payload=frozen(what), errcode=None, settled_at=None)
            )
            return _as_sending((await connection.execute(sa.select(self._rows).where(mine))).one())

    async def add(self, connection: AsyncConnection, what: ToSend, *, key: str, now: datetime) -> None:
        """Adds a row in the caller's transaction; a row with the same key is added once."""
        row = insert_into(self._engine, self._rows).values(
            user_id=self._user_id,
            room_id=what.room_id,
            key=key,
            kind="message" if isinstance(what, Message) else "redaction",
            payload=frozen(what),
            sending_id=secrets.token_hex(16),
            created_at=to_milliseconds(now),
            state=SendingState.QUEUED.value,
        )
        await connection.execute(row.on_conflict_do_nothing(index_elements=["user_id", "key"]))

    async def rooms(self) -> list[str]:
        """The rooms for which something is queued."""
        query = sa.select(self._rows.c.room_id).where(self._in(SendingState.QUEUED)).distinct()
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def first(self, room_id: str) -> Sending | None:
        """The oldest queued row of a room."""
        query = (
            sa.select(self._rows)
            .where(self._in(SendingState.QUEUED), self._rows.c.room_id == room_id)
            .order_by(self._rows.c.id)
            .limit(1)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _as_sending(row)

    async def find(self, row_id: int) -> Sending:
        """A row by its number."""
        async with self._engine.connect() as connection:
            return _as_sending((await connection.execute(sa.select(self._rows).where(self._rows.c.id == row_id))).one())

    async def by_key(self, key: str) -> Sending | None:
        """The row with a key, if there is one."""
        query = sa.select(self._rows).where(self._rows.c.user_id == self._user_id, self._rows.c.key == key)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _as_sending(row)

    async def accepted(self, row_id: int, event_id: str, session_id: str | None, now: datetime) -> None:
        """Records the event that the homeserver named, and drops the content.

        The row counts as sent once no device is owed the room key.
        """
        async with self._engine.begin() as connection:
            this = sa.and_(self._rows.c.id == row_id, self._rows.c.state == SendingState.QUEUED.value)
            await connection.execute(self._rows.update().where(this).values(**self._taken(event_id, session_id, now)))

    async def acknowledge(
        self, connection: AsyncConnection, sending_id: str, event_id: str, session_id: str | None, now: datetime
    ) -> int | None:
        """Records that an event of ours was seen in the room; the row's number, or None if it is not ours."""
        this = sa.and_(self._rows.c.user_id == self._user_id, self._rows.c.sending_id == sending_id)
        row = (await connection.execute(sa.select(self._rows.c.id).where(this))).scalar_one_or_none()
        if row is None:
            return None
        # Also if it counts as taken already: the event itself says which room key it was encrypted with.
        await connection.execute(self._rows.update().where(this).values(**self._taken(event_id, session_id, now)))
        return int(row)

    async def acknowledge_redaction(
        self, connection: AsyncConnection, room_id: str, target: str, event_id: str, now: datetime
    ) -> frozenset[int]:
        """Records that a redaction of ours was seen in the room."""
        ours = sa.and_(
            self._in(SendingState.QUEUED),
            self._rows.c.room_id == room_id,
            self._rows.c.kind == "redaction",
            self._rows.c.payload == json.dumps({"event_id": target}),
        )
        rows = frozenset((await connection.execute(sa.select(self._rows.c.id).where(ours))).scalars())
        if rows:
            these = self._rows.c.id.in_(rows)
            await connection.execute(self._rows.update().where(these).values(**self._taken(event_id, None, now)))
        return rows

    async def refused(self, row_id: int, errcode: str | None, now: datetime) -> None:
        """Gives a row up and drops its content: asked again, the homeserver would refuse again."""
        changes = {"state": SendingState.REFUSED.value, "payload": None, "errcode": errcode}
        this = sa.and_(self._rows.c.id == row_id, self._rows.c.state == SendingState.QUEUED.value)
        async with self._engine.begin() as connection:
            await connection.execute(self._rows.update().where(this).values(**changes, settled_at=to_milliseconds(now)))

    async def delivered(self) -> None:
        """Counts what was accepted as sent, where no device is owed the room key any more."""
        reached = ~self._is_owed(self._rows.c.session_id)
        async with self._engine.begin() as connection:
            await connection.execute(
                self._rows.update()
                .where(self._in(SendingState.ACCEPTED), reached)
                .values(state=SendingState.SENT.value)
            )

    async def unreached(self, row_id: int) -> int:
        """How many devices are owed the key to what a row sent."""
        row = sa.select(self._rows.c.session_id).where(self._rows.c.id == row_id).scalar_subquery()
        query = sa.select(sa.func.count()).where(self._owed.c.user_id == self._user_id, self._owed.c.session_id == row)
        async with self._engine.connect() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def forget_sent(self, now: datetime) -> None:
        """Forgets what was sent or refused long ago."""
        ended = self._rows.c.state.in_([SendingState.SENT.value, SendingState.REFUSED.value])
        old = self._rows.c.settled_at < to_milliseconds(now - KEPT_AFTER_SENDING)
        async with self._engine.begin() as connection:
            await connection.execute(self._rows.delete().where(self._rows.c.user_id == self._user_id, ended, old))

    def _in(self, state: SendingState) -> sa.ColumnElement[bool]:
        return sa.and_(self._rows.c.user_id == self._user_id, self._rows.c.state == state.value)

    def _is_owed(self, session_id: Any) -> sa.ColumnElement[bool]:
        return sa.exists().where(self._owed.c.user_id == self._user_id, self._owed.c.session_id == session_id)

    def _taken(self, event_id: str, session_id: str | None, now: datetime) -> Mapping[str, Any]:
        state: Any = SendingState.SENT.value
        if session_id is not None:
            owed = self._is_owed(session_id)
            state = sa.case((owed, SendingState.ACCEPTED.value), else_=SendingState.SENT.value)
        return {
            "state": state,
            "payload": None,
            "event_id": event_id,
            "errcode": None,
            "session_id": session_id,
            "settled_at": to_milliseconds(now),
        }


def frozen(what: ToSend) -> str:
    """What is to be sent, as it is written down.

    Raises:
        ValueError, TypeError: if its content is no JSON.
    """
    if isinstance(what, Redaction):
        return json.dumps({"event_id": what.event_id})
    return json.dumps({"content": mentioning_nobody(what.content)})


def _as_sending(row: sa.Row[Any]) -> Sending:
    what: ToSend | None = None
    if row.payload is not None:
        payload = json.loads(row.payload)
        what = (
            Redaction(row.room_id, payload["event_id"])
            if row.kind == "redaction"
            else Message(row.room_id, payload["content"])
        )
    return Sending(
        id=row.id,
        room_id=row.room_id,
        key=row.key,
        what=what,
        sending_id=row.sending_id,
        created_at=from_milliseconds(row.created_at),
        state=SendingState(row.state),
        event_id=row.event_id,
        errcode=row.errcode,
    )


def keyed(event_id: str, answers: Sequence[ToSend]) -> list[tuple[str, ToSend]]:
    """The keys under which a handler's answers to an event are sent once."""
    return [(f"{event_id} {number}", what) for number, what in enumerate(answers)]
