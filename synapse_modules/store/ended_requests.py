"""Requests for a chat that nobody answered and nobody is in any more, and who still remembers them."""

from __future__ import annotations

from messenger_core.account_kinds import RoomKind
from synapse_modules.store.interaction import Database, Transaction


class EndedRequests:
    """Reads Synapse's tables beside the kind of a room; a request in which somebody is or is invited has not ended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def remembered(self, *, left_before: int, limit: int) -> list[tuple[str, str]]:
        """Rooms and accounts of ours that left them before a moment (milliseconds) and have not forgotten them."""

        def work(txn: Transaction) -> list[tuple[str, str]]:
            txn.execute(
                "SELECT r.room_id, m.user_id FROM hek_room r JOIN local_current_membership m ON m.room_id = r.room_id"
                " JOIN room_memberships own ON own.event_id = m.event_id JOIN events e ON e.event_id = m.event_id"
                " WHERE r.kind = ? AND own.forgotten = 0 AND m.membership IN ('leave', 'ban') AND e.received_ts < ?"
                " AND NOT EXISTS (SELECT 1 FROM current_state_events c WHERE c.room_id = r.room_id"
                " AND c.type = 'm.room.member' AND c.membership IN ('join', 'invite'))"
                " ORDER BY r.room_id, m.user_id LIMIT ?",
                (RoomKind.REQUEST.value, left_before, limit),
            )
            return [(str(room_id), str(user_id)) for room_id, user_id in txn.fetchall()]

        return await self._database.run("hek_ended_requests", work)
