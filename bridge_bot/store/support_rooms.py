"""Store: the rooms in which insured people talk to their insurer, and how far each invitation got."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.rules.conversation import Text
from bridge_bot.store.outbox import Kind, Queued, queue
from bridge_bot.store.tables import CONVERSATION, SUPPORT_ROOM
from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.database import insert_into


class RoomState(StrEnum):
    """How far a support room got."""

    INVITED = "invited"
    """The person invited the support account; nothing is decided yet."""
    REPLACING = "replacing"
    """Her room is not fit; one of ours is being made."""
    WAITING = "waiting"
    """A room of ours that she was invited to."""
    JOINED = "joined"
    DECLINED = "declined"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class SupportRoom:
    """A room with one insured person."""

    room_id: str
    user_id: str
    state: RoomState
    since: datetime
    replacement_alias: str | None


class SupportRooms:
    """Rooms with insured people."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def invited(self, room_id: str, user_id: str, at: datetime) -> None:
        """Notes an invitation; one to a room that is in use or being decided on changes nothing."""
        row = insert_into(self._engine, SUPPORT_ROOM).values(
            room_id=room_id, user_id=user_id, state=RoomState.INVITED.value, since=to_milliseconds(at)
        )
        ended = SUPPORT_ROOM.c.state.in_([RoomState.DECLINED.value, RoomState.LEFT.value])
        fresh = {
            "user_id": user_id,
            "state": RoomState.INVITED.value,
            "since": to_milliseconds(at),
            "replacement_alias": None,
        }
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["room_id"], set_=fresh, where=ended))

    async def undecided(self) -> list[SupportRoom]:
        """The rooms whose invitation is not dealt with yet, oldest first."""
        states = [RoomState.INVITED.value, RoomState.REPLACING.value]
        query = sa.select(SUPPORT_ROOM).where(SUPPORT_ROOM.c.state.in_(states)).order_by(SUPPORT_ROOM.c.since)
        async with self._engine.connect() as connection:
            return [_room(row) for row in await connection.execute(query)]

    async def find(self, room_id: str) -> SupportRoom | None:
        """The room, or None if it is no support room."""
        query = sa.select(SUPPORT_ROOM).where(SUPPORT_ROOM.c.room_id == room_id)
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _room(row)

    async def current(self, user_id: str) -> SupportRoom | None:
        """The person's newest room that is joined, else the newest one that is on its way, else None."""
        usable = [RoomState.JOINED.value, RoomState.WAITING.value, RoomState.INVITED.value, RoomState.REPLACING.value]
        joined_first = sa.case((SUPPORT_ROOM.c.state == RoomState.JOINED.value, 0), else_=1)
        query = (
            sa.select(SUPPORT_ROOM)
            .where(SUPPORT_ROOM.c.user_id == user_id, SUPPORT_ROOM.c.state.in_(usable))
            .order_by(joined_first, SUPPORT_ROOM.c.since.desc())
            .limit(1)
        )
        async with self._engine.connect() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _room(row)

    async def joined(self, room: SupportRoom, at: datetime) -> None:
        """Takes a room into use and queues the greeting, in one transaction."""
        greeting = Queued(
            Kind.SAY,
            f"greeting {room.room_id} {to_milliseconds(room.since)}",
            user_id=room.user_id,
            room_id=room.room_id,
            text=Text.GREETING,
        )
        async with self._engine.begin() as connection:
            await connection.execute(
                SUPPORT_ROOM.update()
                .where(SUPPORT_ROOM.c.room_id == room.room_id)
                .values(state=RoomState.JOINED.value, since=to_milliseconds(at))
            )
            conversation = insert_into(self._engine, CONVERSATION).values(user_id=room.user_id)
            await connection.execute(conversation.on_conflict_do_nothing(index_elements=["user_id"]))
            await queue(self._engine, connection, [greeting], at)

    async def replacing(self, room_id: str, alias: str) -> None:
        """Notes the alias of the room that will replace this one, before it is made."""
        await self._set(room_id, state=RoomState.REPLACING.value, replacement_alias=alias)

    async def replaced(self, old: SupportRoom, new_room_id: str, at: datetime) -> None:
        """Notes the room of ours that the person was invited to."""
        row = insert_into(self._engine, SUPPORT_ROOM).values(
            room_id=new_room_id, user_id=old.user_id, state=RoomState.WAITING.value, since=to_milliseconds(at)
        )
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing(index_elements=["room_id"]))

    async def ended(self, room_id: str, state: RoomState) -> None:
        """Notes that a room was declined or left."""
        await self._set(room_id, state=state.value)

    async def _set(self, room_id: str, **values: str) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(SUPPORT_ROOM.update().where(SUPPORT_ROOM.c.room_id == room_id).values(**values))


def _room(row: sa.Row[tuple[str, ...]]) -> SupportRoom:
    return SupportRoom(
        row.room_id, row.user_id, RoomState(row.state), from_milliseconds(row.since), row.replacement_alias
    )
