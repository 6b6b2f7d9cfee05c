"""Which accounts' member events must say that nobody reads, and which must no longer."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.unreachable_mark import is_marked
from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class MarkToBring:
    """An account whose rooms do not show yet whether it is locked."""

    user_id: str
    locked: bool


class UnreachableMarks:
    """A row stands from before the first member event is marked until after the last one is restored.

    What is to be done is thus found again after an interruption at any point.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def due(self) -> list[MarkToBring]:
        """The accounts with something to be done; only where Synapse's lock is already what our table says."""

        def work(txn: Transaction) -> list[MarkToBring]:
            txn.execute(
                "SELECT a.user_id FROM hek_account a JOIN users u ON u.name = a.user_id"
                " WHERE a.state = 'locked' AND u.locked AND NOT EXISTS"
                " (SELECT 1 FROM hek_unreachable_mark m WHERE m.user_id = a.user_id AND m.finished_at IS NOT NULL)"
                " ORDER BY a.user_id"
            )
            to_mark = [MarkToBring(row[0], locked=True) for row in txn.fetchall()]
            txn.execute(
                "SELECT m.user_id FROM hek_unreachable_mark m JOIN hek_account a ON a.user_id = m.user_id"
                " JOIN users u ON u.name = m.user_id WHERE a.state = ? AND NOT u.locked ORDER BY m.user_id",
                (AccountState.LIVE.value,),
            )
            return to_mark + [MarkToBring(row[0], locked=False) for row in txn.fetchall()]

        return await self._database.run("hek_marks_due", work)

    async def begin(self, user_id: str) -> None:
        """Writes down that an account's rooms are about to be marked."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "INSERT INTO hek_unreachable_mark (user_id) VALUES (?) ON CONFLICT (user_id) DO NOTHING", (user_id,)
            )

        await self._database.run("hek_mark_begin", work)

    async def rooms_to_change(self, mark: MarkToBring) -> list[str]:
        """The rooms that the account is in and that do not show yet what they should."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT c.room_id, r.display_name FROM local_current_membership c"
                " JOIN room_memberships r ON r.event_id = c.event_id"
                " WHERE c.user_id = ? AND c.membership = 'join' ORDER BY c.room_id",
                (mark.user_id,),
            )
            return [room_id for room_id, name in txn.fetchall() if is_marked(name) is not mark.locked]

        return await self._database.run("hek_rooms_to_mark", work)

    async def finish(self, mark: MarkToBring, *, at: int) -> None:
        """Writes down that all rooms show it."""

        def work(txn: Transaction) -> None:
            if mark.locked:
                txn.execute("UPDATE hek_unreachable_mark SET finished_at = ? WHERE user_id = ?", (at, mark.user_id))
            else:
                txn.execute("DELETE FROM hek_unreachable_mark WHERE user_id = ?", (mark.user_id,))

        await self._database.run("hek_mark_finish", work)
