"""Rooms that our people have to leave, until they all have."""

from __future__ import annotations

from synapse_modules.store.audit import AuditEntry, append_audit
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction


class RoomsToLeave:
    """A row a room; what is under way is found again after an interruption."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, room_id: str, *, at: int) -> None:
        """Notes a room; one that is noted stays as it is."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "INSERT INTO hek_room_to_leave (room_id, noted_at) VALUES (?, ?) ON CONFLICT DO NOTHING", (room_id, at)
            )

        await self._database.run("hek_note_room_to_leave", work)

    async def all(self) -> list[str]:
        """The rooms that are noted, oldest first."""

        def work(txn: Transaction) -> list[str]:
            txn.execute("SELECT room_id FROM hek_room_to_leave ORDER BY noted_at, room_id")
            return [str(row[0]) for row in txn.fetchall()]

        return await self._database.run("hek_rooms_to_leave", work)

    async def still_there(self, room_id: str) -> list[str]:
        """Who of our server is in a room or invited, by user id."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT user_id FROM local_current_membership WHERE room_id = ? AND membership IN ('join', 'invite')"
                " ORDER BY user_id",
                (room_id,),
            )
            return [str(row[0]) for row in txn.fetchall()]

        return await self._database.run("hek_still_there", work)

    async def tell(self, room_id: str, user_id: str, kind: str, *, at: int) -> None:
        """Writes down, for the audit log and for the change list, that somebody leaves a room; once for each room."""
        entry = AuditEntry("care-room-left", "another-server-broke-it", "federation", user_id=user_id, room_id=room_id)

        def work(txn: Transaction) -> None:
            txn.execute(
                "INSERT INTO hek_room_left (room_id, user_id) VALUES (?, ?) ON CONFLICT DO NOTHING", (room_id, user_id)
            )
            if txn.rowcount:
                append_audit(txn, entry, at=at)
                append_change(txn, at=at, user_id=user_id, kind=kind, what=What.ROOM_LEFT, room_id=room_id)

        await self._database.run("hek_tell_room_left", work)

    async def done(self, room_id: str) -> None:
        """Forgets a room that nobody of ours is in any more."""

        def work(txn: Transaction) -> None:
            txn.execute("DELETE FROM hek_room_left WHERE room_id = ?", (room_id,))
            txn.execute("DELETE FROM hek_room_to_leave WHERE room_id = ?", (room_id,))

        await self._database.run("hek_room_is_left", work)
