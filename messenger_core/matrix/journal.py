"""Store: where the session is in the stream, and what became of each event."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.events import Invitation
from messenger_core.matrix.tables import session_tables


class Journal:
    """Position and events of one account."""

    def __init__(self, engine: AsyncEngine, user_id: str) -> None:
        self._engine = engine
        self._user_id = user_id
        tables = session_tables(sa.MetaData())
        self._position, self._events = tables.position, tables.journal

    async def position(self) -> str | None:
        """The token to sync from, None before the first sync."""
        query = sa.select(self._position.c.next_batch).where(self._position.c.user_id == self._user_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def move_to(self, next_batch: str) -> None:
        """Records that everything before ``next_batch`` is in the journal."""
        row = insert_into(self._engine, self._position).values(user_id=self._user_id, next_batch=next_batch)
        async with self._engine.begin() as connection:
            await connection.execute(
                row.on_conflict_do_update(index_elements=["user_id"], set_={"next_batch": next_batch})
            )

    async def state(self, event_id: str) -> str | None:
        """``settled``, ``waiting_key`` or ``parked``; None for an event that is not in the journal."""
        query = sa.select(self._events.c.state).where(self._events.c.event_id == event_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def record(
        self,
        event_id: str,
        room_id: str,
        received_at: datetime,
        state: str,
        source: Mapping[str, Any] | None = None,
    ) -> None:
        """Sets the state of an event; ``source`` is what is needed to go on with it."""
        ciphertext = None if source is None else json.dumps(source)
        row = insert_into(self._engine, self._events).values(
            event_id=event_id,
            room_id=room_id,
            received_at=to_milliseconds(received_at),
            state=state,
            source=ciphertext,
        )
        changed = {"state": state, "source": ciphertext}
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["event_id"], set_=changed))

    async def waiting(self) -> list[tuple[str, dict[str, Any]]]:
        """The events that wait for their key, oldest first, as room id and encrypted event."""
        return [(row.room_id, json.loads(row.source)) for row in await self._in_state("waiting_key")]

    async def parked(self) -> list[tuple[str, str]]:
        """Room id and event id of the events whose handler failed, oldest first."""
        return [(row.room_id, row.event_id) for row in await self._in_state("parked")]

    async def keep_invitation(self, invitation: Invitation) -> None:
        """Writes an invitation down until it is decided; the homeserver tells it only once."""
        sender = {"sender": invitation.inviter}
        await self.record(_invitation_key(invitation), invitation.room_id, datetime.now(UTC), "invitation", sender)

    async def invitations(self) -> list[Invitation]:
        """The invitations that are not decided yet, oldest first."""
        rows = await self._in_state("invitation")
        return [Invitation(row.room_id, json.loads(row.source)["sender"]) for row in rows]

    async def forget_invitation(self, invitation: Invitation) -> None:
        """Takes a decided invitation out; the same room may invite again."""
        decided = self._events.c.event_id == _invitation_key(invitation)
        async with self._engine.begin() as connection:
            await connection.execute(self._events.delete().where(decided))

    async def _in_state(self, state: str) -> list[sa.Row[Any]]:
        query = sa.select(self._events).where(self._events.c.state == state).order_by(self._events.c.received_at)
        async with self._engine.connect() as connection:
            return list(await connection.execute(query))


def _invitation_key(invitation: Invitation) -> str:
    return f"invitation {invitation.room_id}"
