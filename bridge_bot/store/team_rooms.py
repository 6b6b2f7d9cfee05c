"""Store: the agents' rooms, one a team and calendar quarter."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.store.tables import TEAM_ROOM
from messenger_core.database import insert_into


class TeamRooms:
    """Which room belongs to which team and quarter."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def record(self, team: str, quarter: str, room_id: str) -> None:
        """Notes a room; the first one of a team and quarter stays."""
        row = insert_into(self._engine, TEAM_ROOM).values(team=team, quarter=quarter, room_id=room_id)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing(index_elements=["team", "quarter"]))

    async def room_of(self, team: str, quarter: str) -> str | None:
        """The room of a team in a quarter."""
        query = sa.select(TEAM_ROOM.c.room_id).where(TEAM_ROOM.c.team == team, TEAM_ROOM.c.quarter == quarter)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def all_rooms(self) -> list[tuple[str, str]]:
        """Every team room that was ever made, as team and room id."""
        query = sa.select(TEAM_ROOM.c.team, TEAM_ROOM.c.room_id).order_by(TEAM_ROOM.c.quarter, TEAM_ROOM.c.team)
        async with self._engine.connect() as connection:
            return [(row.team, row.room_id) for row in await connection.execute(query)]

    async def team_of(self, room_id: str) -> str | None:
        """The team whose room this is or was, None if it is no team room."""
        query = sa.select(TEAM_ROOM.c.team).where(TEAM_ROOM.c.room_id == room_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()
