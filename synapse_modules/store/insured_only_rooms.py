"""Chats in which insured people alone are left, from the moment they are told until the chat is empty."""

from __future__ import annotations

from collections.abc import Sequence

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.membership import AccountState
from synapse_modules.store.audit import AuditEntry, append_audit
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction


class InsuredOnlyRooms:
    """A row a chat; what is under way is found again after an interruption."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def candidates_after(self, room_id: str, limit: int) -> list[str]:
        """One page of the rooms, by id, in which insured people of ours are and no other account of ours.

        Whether somebody of another server is there who is no insured person, others know.
        """

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT DISTINCT m.room_id FROM local_current_membership m JOIN hek_account a ON a.user_id = m.user_id"
                " LEFT JOIN hek_room r ON r.room_id = m.room_id"
                " WHERE m.membership = 'join' AND a.kind = ? AND a.state = ? AND m.room_id > ?"
                " AND (r.kind IS NULL OR r.kind IN (?, ?))"
                " AND NOT EXISTS (SELECT 1 FROM current_state_events c JOIN hek_account o ON o.user_id = c.state_key"
                " WHERE c.room_id = m.room_id AND c.type = 'm.room.member' AND c.membership IN ('join', 'invite')"
                " AND o.kind <> ?)"
                " AND NOT EXISTS (SELECT 1 FROM hek_insured_only_room n WHERE n.room_id = m.room_id)"
                " ORDER BY m.room_id LIMIT ?",
                (
                    AccountKind.INSURED.value,
                    AccountState.LIVE.value,
                    room_id,
                    RoomKind.REQUEST.value,
                    RoomKind.CARE.value,
                    AccountKind.INSURED.value,
                    limit,
                ),
            )
            return [str(row[0]) for row in txn.fetchall()]

        return await self._database.run("hek_insured_only_candidates", work)

    async def tell(self, room_id: str, user_ids: Sequence[str], *, at: int) -> None:
        """Notes a chat and tells those of ours who are in it; one that is noted stays as it is."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "INSERT INTO hek_insured_only_room (room_id, told_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                (room_id, at),
            )
            if txn.rowcount:
                for user_id in user_ids:
                    append_change(
                        txn,
                        at=at,
                        user_id=user_id,
                        kind=AccountKind.INSURED.value,
                        what=What.LEFT_ALONE,
                        room_id=room_id,
                    )

        await self._database.run("hek_tell_left_alone", work)

    async def told(self) -> list[tuple[str, int]]:
        """The chats that are noted, and when people were told (milliseconds), oldest first."""

        def work(txn: Transaction) -> list[tuple[str, int]]:
            txn.execute("SELECT room_id, told_at FROM hek_insured_only_room ORDER BY told_at, room_id")
            return [(str(room_id), int(told_at)) for room_id, told_at in txn.fetchall()]

        return await self._database.run("hek_insured_only_rooms", work)

    async def emptying(self, room_id: str, user_ids: Sequence[str], *, at: int) -> None:
        """Writes into the audit log, once, who is taken out of a chat."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "UPDATE hek_insured_only_room SET emptied_at = ? WHERE room_id = ? AND emptied_at IS NULL",
                (at, room_id),
            )
            if txn.rowcount:
                for user_id in user_ids:
                    entry = AuditEntry(
                        "care-room-left", "insured-people-only", "homeserver", user_id=user_id, room_id=room_id
                    )
                    append_audit(txn, entry, at=at)

        await self._database.run("hek_empty_insured_only_room", work)

    async def forget(self, room_id: str) -> None:
        """A chat is empty, or somebody else is in it again."""

        def work(txn: Transaction) -> None:
            txn.execute("DELETE FROM hek_insured_only_room WHERE room_id = ?", (room_id,))

        await self._database.run("hek_forget_insured_only_room", work)
