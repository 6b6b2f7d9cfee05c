"""Rooms: their kind and insured person, who is in them, and when somebody last wrote there."""

from __future__ import annotations

from dataclasses import dataclass

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.messages import SentEvent
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Room
from synapse_modules.store.interaction import Database, Transaction

_MESSAGE_TYPES = ("m.room.encrypted", "m.room.message")


@dataclass(frozen=True, slots=True)
class ChatOfPerson:
    """A chat with a practice that an insured person is in; ``last_message_at`` is in milliseconds."""

    user_id: str
    room_id: str
    retention_months: int | None
    last_message_at: int


def _select_members(txn: Transaction, room_id: str) -> dict[str, str]:
    txn.execute(
        "SELECT state_key, membership FROM current_state_events"
        " WHERE room_id = ? AND type = 'm.room.member' AND membership IN ('join', 'invite')",
        (room_id,),
    )
    return {str(user_id): str(membership) for user_id, membership in txn.fetchall()}


class Rooms:
    """The rooms that the module made."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find_with_members(self, room_id: str) -> tuple[Room | None, dict[str, str]]:
        """A room, if its row is written, and its ``members`` if it is a chat with a practice: others may have many."""

        def work(txn: Transaction) -> tuple[Room | None, dict[str, str]]:
            txn.execute("SELECT kind, insured_user_id FROM hek_room WHERE room_id = ?", (room_id,))
            row = txn.fetchone()
            room = Room(room_id, RoomKind(row[0]), row[1]) if row else None
            is_chat = room is not None and room.kind in CHAT_WITH_PRACTICE
            return room, _select_members(txn, room_id) if is_chat else {}

        return await self._database.run("hek_room", work)

    async def add(self, room: Room, *, created_at: int) -> None:
        """Writes a room down; one that is there stays as it is."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "INSERT INTO hek_room (room_id, kind, insured_user_id, created_at) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (room.room_id, room.kind.value, room.insured_user_id, created_at),
            )

        await self._database.run("hek_add_room", work)

    async def accept(self, room_id: str) -> None:
        """Turns a request into a care room; it never goes back."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "UPDATE hek_room SET kind = ? WHERE room_id = ? AND kind = ?",
                (RoomKind.CARE.value, room_id, RoomKind.REQUEST.value),
            )

        await self._database.run("hek_accept_room", work)

    async def members(self, room_id: str) -> dict[str, str]:
        """Who is in a room (``join``) or invited (``invite``), of this server and of others.

        Empty for a room of another server in which nobody of ours is joined.
        """
        return await self._database.run("hek_members", lambda txn: _select_members(txn, room_id))

    async def name(self, room_id: str, user_id: str) -> str | None:
        """What somebody who is in a room is called there, or nothing; None if she is not in it."""

        def work(txn: Transaction) -> str | None:
            txn.execute(
                "SELECT m.display_name FROM current_state_events c JOIN room_memberships m ON m.event_id = c.event_id"
                " WHERE c.room_id = ? AND c.type = 'm.room.member' AND c.state_key = ? AND c.membership = 'join'",
                (room_id, user_id),
            )
            row = txn.fetchone()
            return str(row[0] or "") if row else None

        return await self._database.run("hek_name", work)

    async def inviters(self, room_id: str, user_id: str) -> list[str]:
        """Who invited somebody into a room at any time."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT DISTINCT sender FROM room_memberships"
                " WHERE room_id = ? AND user_id = ? AND membership = 'invite'",
                (room_id, user_id),
            )
            return [str(row[0]) for row in txn.fetchall()]

        return await self._database.run("hek_inviters", work)

    async def sent(self, room_id: str, event_id: str) -> SentEvent | None:
        """An event of a room, if it is there."""

        def work(txn: Transaction) -> SentEvent | None:
            txn.execute(
                "SELECT sender, state_key, received_ts FROM events WHERE room_id = ? AND event_id = ?",
                (room_id, event_id),
            )
            row = txn.fetchone()
            return SentEvent(str(row[0]), is_state=row[1] is not None, sent_at=int(row[2])) if row else None

        return await self._database.run("hek_sent", work)

    async def membership(self, room_id: str, user_id: str) -> str | None:
        """``join``, ``invite``, ``leave`` or ``ban``; None if the user never had to do with the room."""

        def work(txn: Transaction) -> str | None:
            txn.execute(
                "SELECT membership FROM local_current_membership WHERE room_id = ? AND user_id = ?", (room_id, user_id)
            )
            row = txn.fetchone()
            return str(row[0]) if row else None

        return await self._database.run("hek_membership", work)

    async def present(self, room_id: str, kind: AccountKind) -> list[str]:
        """The accounts of a kind that are in a room."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT a.user_id FROM local_current_membership m JOIN hek_account a ON a.user_id = m.user_id"
                " WHERE m.room_id = ? AND a.kind = ? AND m.membership = 'join' ORDER BY a.user_id",
                (room_id, kind.value),
            )
            return [row[0] for row in txn.fetchall()]

        return await self._database.run("hek_present", work)

    async def chats_after(self, room_id: str, limit: int) -> list[ChatOfPerson]:
        """One page of the chats with practices that an insured person is joined to, by room id.

        A chat without a message counts from its creation.
        """

        def work(txn: Transaction) -> list[ChatOfPerson]:
            txn.execute(
                "SELECT r.insured_user_id, r.room_id, a.retention_months, COALESCE((SELECT MAX(e.received_ts)"
                " FROM events e WHERE e.room_id = r.room_id AND e.state_key IS NULL AND e.type IN (?, ?)),"
                " r.created_at)"
                " FROM hek_room r JOIN hek_account a ON a.user_id = r.insured_user_id"
                " JOIN local_current_membership m ON m.room_id = r.room_id AND m.user_id = r.insured_user_id"
                " WHERE r.kind IN (?, ?) AND a.kind = ? AND a.state = ? AND m.membership = 'join' AND r.room_id > ?"
                " ORDER BY r.room_id LIMIT ?",
                (
                    *_MESSAGE_TYPES,
                    RoomKind.REQUEST.value,
                    RoomKind.CARE.value,
                    AccountKind.INSURED.value,
                    AccountState.LIVE.value,
                    room_id,
                    limit,
                ),
            )
            return [ChatOfPerson(*row) for row in txn.fetchall()]

        return await self._database.run("hek_chats", work)

    async def wrote_after(self, room_id: str, user_id: str, moment: int) -> bool:
        """Whether a user sent a message into a room after a moment (milliseconds, by the server's receipt)."""

        def work(txn: Transaction) -> bool:
            txn.execute(
                "SELECT 1 FROM events WHERE room_id = ? AND sender = ? AND received_ts > ? AND state_key IS NULL"
                " AND type IN (?, ?) LIMIT 1",
                (room_id, user_id, moment, *_MESSAGE_TYPES),
            )
            return txn.fetchone() is not None

        return await self._database.run("hek_wrote_after", work)
