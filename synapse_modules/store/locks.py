"""Locks in the database: of whom Synapse must be told, whose rooms must show it, and what waits for an undo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.unreachable_mark import is_marked
from synapse_modules.store.interaction import Database, Transaction, placeholders


@dataclass(frozen=True, slots=True)
class LockToApply:
    """An account whose lock in Synapse is not yet what our table says."""

    user_id: str
    locked: bool


class AppliedLocks:
    """Compares the module's accounts with Synapse's own flag."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def to_apply(self, user_ids: Sequence[str] | None = None) -> list[LockToApply]:
        """The accounts whose lock in Synapse is not what the table says; Synapse's own row is compared.

        A note of ours that a lock was applied could be overtaken by another process or an administrator.

        Args:
            user_ids: the only accounts to look at; None for all.
        """

        def work(txn: Transaction) -> list[LockToApply]:
            among = "" if user_ids is None else f" AND a.user_id IN ({placeholders(user_ids)})"
            txn.execute(
                "SELECT a.user_id, NOT u.locked FROM hek_account a"  # noqa: S608 - our own words
                f" JOIN users u ON u.name = a.user_id WHERE ((a.state IN (?, ?) AND NOT u.locked)"
                f" OR (a.state = ? AND u.locked)){among} ORDER BY a.user_id",
                (
                    AccountState.LOCKED.value,
                    AccountState.DEACTIVATING.value,
                    AccountState.LIVE.value,
                    *(user_ids or ()),
                ),
            )
            return [LockToApply(user_id, bool(locked)) for user_id, locked in txn.fetchall()]

        return await self._database.run("hek_locks_to_apply", work)

    async def locked(self) -> set[str]:
        """The accounts that are locked, here and in Synapse."""

        def work(txn: Transaction) -> set[str]:
            txn.execute(
                "SELECT a.user_id FROM hek_account a JOIN users u ON u.name = a.user_id"
                " WHERE a.state IN (?, ?) AND u.locked",
                (AccountState.LOCKED.value, AccountState.DEACTIVATING.value),
            )
            return {str(user_id) for (user_id,) in txn.fetchall()}

        return await self._database.run("hek_locked_accounts", work)


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


class DelayedEvents:
    """Reads whose they are, and makes those due again that were held."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owner(self, delay_id: str) -> str | None:
        """The localpart of whoever scheduled an event; None if there is no such event."""

        def work(txn: Transaction) -> str | None:
            txn.execute("SELECT user_localpart FROM delayed_events WHERE delay_id = ?", (delay_id,))
            row = txn.fetchone()
            return str(row[0]) if row else None

        return await self._database.run("hek_delayed_event_owner", work)

    async def release(self, localpart: str) -> int | None:
        """Makes somebody's held events due again.

        Synapse marks an event before it sends it; one that was held has stayed marked.

        Returns:
            When the next event of all people is to be sent, in milliseconds since 1970; None if this person has none.
        """

        def work(txn: Transaction) -> int | None:
            txn.execute(
                "UPDATE delayed_events SET is_processed = FALSE WHERE user_localpart = ? AND is_processed", (localpart,)
            )
            if txn.rowcount == 0:
                return None
            txn.execute("SELECT MIN(send_ts) FROM delayed_events WHERE NOT is_processed")
            row = txn.fetchone()
            return int(row[0]) if row is not None and row[0] is not None else None

        return await self._database.run("hek_release_delayed_events", work)
