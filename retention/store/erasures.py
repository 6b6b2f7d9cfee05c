"""Store: erasures of old support conversations, each step before it is taken, and the sealed proof."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into
from retention.rules.proof import FIRST_LINK, ErasedRoom, ProofRow, room_hash, sealed
from retention.store.tables import erasure, erasure_proof, erasure_room


class ErasureState(StrEnum):
    """Where one room of an erasure stands; its row is gone when the erasure is finished."""

    DUE = "due"
    HOMESERVER_DONE = "homeserver_done"


@dataclass(frozen=True, slots=True)
class DueRoom:
    """What the bot names as due in one room."""

    room_id: str
    messages: int
    media: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure that is not finished: everything older than ``before``; ``due`` are rooms not yet confirmed."""

    id: str
    before: datetime
    due: tuple[DueRoom, ...]


class Erasures:
    """Erasures and their proof in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def running(self) -> Erasure | None:
        """The erasure that was begun and not finished; there is at most one."""
        async with self._engine.connect() as connection:
            return await self._running(connection)

    async def _running(self, connection: AsyncConnection) -> Erasure | None:
        row = (await connection.execute(sa.select(erasure).where(erasure.c.state == "running"))).one_or_none()
        if row is None:
            return None
        rooms = await connection.execute(
            sa.select(erasure_room)
            .where(erasure_room.c.erasure_id == row.id, erasure_room.c.state == ErasureState.DUE)
            .order_by(erasure_room.c.room_id)
        )
        due = tuple(DueRoom(room.room_id, room.messages, tuple(room.media)) for room in rooms)
        return Erasure(row.id, from_milliseconds(row.before), due)

    async def begin(self, *, before: datetime, rooms: Sequence[DueRoom]) -> Erasure:
        """Begins an erasure, or extends the interrupted one to a later moment and to what is due by now."""
        async with self._engine.begin() as connection:
            # One of two processes that begin at once inserts; the other finds its row.
            await connection.execute(
                insert_into(self._engine, erasure)
                .values(
                    id=secrets.token_hex(12),
                    before=to_milliseconds(before),
                    state="running",
                )
                .on_conflict_do_nothing()
            )
            running = await self._running(connection)
            assert running is not None
            await connection.execute(
                erasure.update()
                .where(erasure.c.id == running.id, erasure.c.before < to_milliseconds(before))
                .values(before=to_milliseconds(before))
            )
            for room in rooms:
                content = {"state": ErasureState.DUE, "messages": room.messages, "media": list(room.media)}
                await connection.execute(
                    insert_into(self._engine, erasure_room)
                    .values(erasure_id=running.id, room_id=room.room_id, **content)
                    .on_conflict_do_update(index_elements=["erasure_id", "room_id"], set_=content)
                )
            extended = await self._running(connection)
            assert extended is not None
            return extended

    async def homeserver_done(self, erasure_id: str, room_id: str) -> None:
        """The homeserver answered that nothing of the room remains."""
        async with self._engine.begin() as connection:
            await connection.execute(
                erasure_room.update()
                .where(erasure_room.c.erasure_id == erasure_id, erasure_room.c.room_id == room_id)
                .values(state=ErasureState.HOMESERVER_DONE)
            )

    async def finish(self, finished: Erasure, now: datetime) -> bool:
        """Closes an erasure and seals one row of proof a room; which rooms and files they were is forgotten.

        Returns:
            False if another process closed it in the meantime.
        """
        async with self._engine.begin() as connection:
            closed = await connection.execute(
                erasure.update().where(erasure.c.id == finished.id, erasure.c.state == "running").values(state="done")
            )
            if closed.rowcount != 1:
                return False
            rooms = (
                await connection.execute(
                    sa.select(erasure_room)
                    .where(erasure_room.c.erasure_id == finished.id)
                    .order_by(erasure_room.c.room_id)
                )
            ).all()
            erased: list[tuple[str | None, int, int]] = [
                (room_hash(room.room_id), room.messages, len(room.media)) for room in rooms
            ]
            for room, messages, media in erased or [(None, 0, 0)]:
                row = ErasedRoom(
                    finished.id, room, messages, media, to_milliseconds(finished.before), to_milliseconds(now)
                )
                await self._seal(connection, row.text())
            # The proof names rooms by their hash alone; rows with their ids beside it would give them away.
            await connection.execute(erasure_room.delete().where(erasure_room.c.erasure_id == finished.id))
            return True

    async def _seal(self, connection: AsyncConnection, content: str) -> None:
        last = (
            await connection.execute(sa.select(erasure_proof).order_by(erasure_proof.c.number.desc()).limit(1))
        ).one_or_none()
        row = sealed(last.number + 1, last.seal, content) if last else sealed(1, FIRST_LINK, content)
        await connection.execute(
            erasure_proof.insert().values(number=row.number, previous=row.previous, content=row.content, seal=row.seal)
        )

    async def proof(self) -> list[ProofRow]:
        """All rows of the proof in their order."""
        async with self._engine.connect() as connection:
            rows = await connection.execute(sa.select(erasure_proof).order_by(erasure_proof.c.number))
            return [ProofRow(row.number, row.previous, row.content, row.seal) for row in rows]
