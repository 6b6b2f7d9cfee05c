"""Rooms that people are just making, from the moment when they are in them until somebody is invited."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class RoomInMaking:
    """A room whose making began a while ago; ``is_made`` if somebody beside its maker was ever invited."""

    room_id: str
    maker: str
    is_made: bool


class RoomsInMaking:
    """A row a room; it outlives the process that made the room."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, room_id: str, maker: str, *, at: int) -> None:
        """Notes a room before its maker is in it."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "INSERT INTO hek_room_in_making (room_id, maker, begun_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (room_id, maker, at),
            )

        await self._database.run("hek_begin_room", work)

    async def end(self, room_id: str) -> None:
        """The room is made, or nobody is in it any more."""

        def work(txn: Transaction) -> None:
            txn.execute("DELETE FROM hek_room_in_making WHERE room_id = ?", (room_id,))

        await self._database.run("hek_end_room_in_making", work)

    async def is_under_way(self, room_id: str) -> bool:
        """Whether a room is still being made, or was left half-made."""

        def work(txn: Transaction) -> bool:
            txn.execute("SELECT 1 FROM hek_room_in_making WHERE room_id = ?", (room_id,))
            return txn.fetchone() is not None

        return await self._database.run("hek_room_in_making", work)

    async def begun_before(self, moment: int) -> list[RoomInMaking]:
        """The rooms whose making began before a moment (milliseconds) and has not ended, oldest first."""

        def work(txn: Transaction) -> list[RoomInMaking]:
            txn.execute(
                "SELECT r.room_id, r.maker, EXISTS (SELECT 1 FROM room_memberships m"
                " WHERE m.room_id = r.room_id AND m.user_id <> r.maker)"
                " FROM hek_room_in_making r WHERE r.begun_at < ? ORDER BY r.begun_at, r.room_id",
                (moment,),
            )
            return [RoomInMaking(str(room_id), str(maker), bool(made)) for room_id, maker, made in txn.fetchall()]

        return await self._database.run("hek_rooms_in_making", work)
