"""Accounts that are given up for good: which they are, what Synapse still holds of them, and what of ours goes."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.rules.membership import AccountState, Standing
from synapse_modules.store.audit import AuditEntry, append_audit
from synapse_modules.store.interaction import Database, Transaction
from synapse_modules.store.standings import move, read_standings

_DIRECTLY = "homeserver"
_PRESENT = frozenset({"join", "invite", "knock"})
# What Synapse's own deactivation leaves although it tells of a person: addresses she used, names she gave to rooms,
# when she was there, with which client. No cache holds these tables.
_LEFTOVERS = (
    ("user_ips", "user_id"),
    ("user_daily_visits", "user_id"),
    ("user_filters", "full_user_id"),
    ("room_tags", "user_id"),
    ("room_tags_revisions", "user_id"),
    ("open_id_tokens", "user_id"),
    ("login_tokens", "user_id"),
    ("hek_oauth_session", "user_id"),
    ("hek_identity_reset", "user_id"),
)
_MUST_BE_GONE = (
    ("access_tokens", "user_id"),
    ("account_data", "user_id"),
    ("dehydrated_devices", "user_id"),
    ("devices", "NOT hidden AND user_id"),
    ("e2e_room_keys", "user_id"),
    ("profiles", "full_user_id"),
    ("pushers", "user_name"),
    ("refresh_tokens", "user_id"),
    ("room_account_data", "user_id"),
    ("user_external_ids", "user_id"),
    ("users_pending_deactivation", "user_id"),
    ("users", "deactivated = 0 AND name"),
    *_LEFTOVERS,
)


@dataclass(frozen=True, slots=True)
class RoomOfAccount:
    """A room with which an account still has to do; ``present`` says that it is in or invited."""

    room_id: str
    present: bool


def _rooms(txn: Transaction, user_id: str) -> list[RoomOfAccount]:
    txn.execute(
        "SELECT l.room_id, l.membership FROM local_current_membership l"
        " JOIN room_memberships r ON r.event_id = l.event_id"
        " WHERE l.user_id = ? AND (r.forgotten = 0 OR l.membership IN ('join', 'invite', 'knock')) ORDER BY l.room_id",
        (user_id,),
    )
    return [RoomOfAccount(room_id, membership in _PRESENT) for room_id, membership in txn.fetchall()]


class Deactivations:
    """Deactivations that are decided and not yet done."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def deactivated_directly(self, user_id: str, *, at: int) -> None:
        """Takes over that Synapse was told to deactivate an account, whatever its kind; repeating changes nothing."""

        def work(txn: Transaction) -> None:
            for account in read_standings(txn, "WHERE a.user_id = ?", user_id):
                if account.standing.state in {AccountState.LIVE, AccountState.LOCKED}:
                    given_up = Standing(AccountState.DEACTIVATING, account.standing.lock, account.standing.locked_at)
                    move(txn, account, given_up, at=at, actor=_DIRECTLY)

        await self._database.run("hek_deactivated_directly", work)

    async def not_taken_over(self) -> list[str]:
        """Accounts that Synapse has deactivated and this module has not heard of: it was killed in between."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT a.user_id FROM hek_account a JOIN users u ON u.name = a.user_id"
                " WHERE u.deactivated = 1 AND a.state IN (?, ?) ORDER BY a.user_id",
                (AccountState.LIVE.value, AccountState.LOCKED.value),
            )
            return [user_id for (user_id,) in txn.fetchall()]

        return await self._database.run("hek_not_taken_over", work)

    async def unfinished(self) -> list[str]:
        """The accounts of which something may still be there."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT user_id FROM hek_account WHERE state = ? ORDER BY user_id", (AccountState.DEACTIVATING.value,)
            )
            return [user_id for (user_id,) in txn.fetchall()]

        return await self._database.run("hek_deactivations", work)

    async def rooms(self, user_id: str) -> list[RoomOfAccount]:
        """The rooms that an account is in or invited to, or has left and not forgotten."""
        return await self._database.run("hek_rooms_of", lambda txn: _rooms(txn, user_id))

    async def clear_leftovers(self, user_id: str) -> None:
        """Deletes what Synapse's own deactivation leaves."""

        def work(txn: Transaction) -> None:
            for table, column in _LEFTOVERS:
                txn.execute(f"DELETE FROM {table} WHERE {column} = ?", (user_id,))  # noqa: S608 - our own names

        await self._database.run("hek_clear_account", work)

    async def remaining(self, user_id: str) -> list[str]:
        """The tables in which something is left that must be gone."""

        def work(txn: Transaction) -> list[str]:
            left = ["room_memberships"] if _rooms(txn, user_id) else []
            for table, condition in _MUST_BE_GONE:
                txn.execute(f"SELECT 1 FROM {table} WHERE {condition} = ? LIMIT 1", (user_id,))  # noqa: S608
                if txn.fetchone() is not None:
                    left.append(table)
            return left

        return await self._database.run("hek_remaining", work)

    async def finish(self, user_id: str, *, at: int) -> None:
        """Forgets who an account was; its pseudonym stays taken, and its person may make a new one."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "UPDATE hek_account SET state = ?, display_name = '', kvnr_hash = NULL, kvnr_sealed = NULL,"
                " retention_months = NULL WHERE user_id = ? AND state = ?",
                (AccountState.DEACTIVATED.value, user_id, AccountState.DEACTIVATING.value),
            )
            if txn.rowcount == 1:
                txn.execute("DELETE FROM hek_unreachable_mark WHERE user_id = ?", (user_id,))
                append_audit(txn, AuditEntry("account-removed", "done", _DIRECTLY, user_id=user_id), at=at)

        await self._database.run("hek_deactivated", work)
