"""Ends of memberships, known by the KVNR's hash alone, also of people who never had an account."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from synapse_modules.rules.membership import Stage, stage_on
from synapse_modules.store.accounts import Account, AccountState, select_account, set_state
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class MembershipStatus:
    """What is known of a membership."""

    ends_on: date | None
    has_account: bool


def _ends_on(txn: Transaction, kvnr_hash: str) -> date | None:
    txn.execute("SELECT ends_on FROM hek_membership_end WHERE kvnr_hash = ?", (kvnr_hash,))
    row = txn.fetchone()
    return date.fromisoformat(row[0]) if row else None


def _made_account(txn: Transaction, kvnr_hash: str) -> Account | None:
    account = select_account(txn, "kvnr_hash", kvnr_hash)
    return account if account is not None and account.state is not AccountState.PENDING else None


class Memberships:
    """What the core system said about memberships."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def end(self, kvnr_hash: str, *, on: date, today: date, at: int) -> None:
        """Writes the end of a membership down, with what follows for the account; repeating it changes nothing."""

        def work(txn: Transaction) -> None:
            before = _ends_on(txn, kvnr_hash)
            txn.execute(
                "INSERT INTO hek_membership_end (kvnr_hash, ends_on) VALUES (?, ?)"
                " ON CONFLICT (kvnr_hash) DO UPDATE SET ends_on = excluded.ends_on",
                (kvnr_hash, on.isoformat()),
            )
            account = _made_account(txn, kvnr_hash)
            if account is None:
                return
            if stage_on(on, today) is Stage.LOCKED:
                if account.state is AccountState.LIVE:
                    set_state(txn, account, AccountState.LOCKED, at=at, what=What.LOCKED)
                return
            if account.state is AccountState.LOCKED:
                set_state(txn, account, AccountState.LIVE, at=at, what=What.UNDONE)
            if before != on:
                append_change(txn, at=at, user_id=account.user_id, kind=account.kind.value, what=What.ANNOUNCED)

        await self._database.run("hek_membership_end", work)

    async def undo(self, kvnr_hash: str, *, at: int) -> None:
        """Takes the end of a membership back, with what follows for the account; repeating it changes nothing."""

        def work(txn: Transaction) -> None:
            txn.execute("DELETE FROM hek_membership_end WHERE kvnr_hash = ?", (kvnr_hash,))
            was_known = txn.rowcount > 0
            account = _made_account(txn, kvnr_hash)
            if account is not None and was_known:
                set_state(txn, account, AccountState.LIVE, at=at, what=What.UNDONE)

        await self._database.run("hek_membership_undo", work)

    async def status(self, kvnr_hash: str) -> MembershipStatus:
        """What is known of a membership."""

        def work(txn: Transaction) -> MembershipStatus:
            return MembershipStatus(_ends_on(txn, kvnr_hash), _made_account(txn, kvnr_hash) is not None)

        return await self._database.run("hek_membership_status", work)

    async def lock_ended(self, *, today: date, at: int) -> None:
        """Locks the accounts of all memberships whose announced day has come."""

        def work(txn: Transaction) -> None:
            txn.execute(
                "SELECT a.user_id FROM hek_membership_end m JOIN hek_account a ON a.kvnr_hash = m.kvnr_hash"
                " WHERE m.ends_on <= ? AND a.state = ? ORDER BY a.user_id",
                (today.isoformat(), AccountState.LIVE.value),
            )
            for (user_id,) in txn.fetchall():
                account = select_account(txn, "user_id", user_id)
                assert account is not None
                set_state(txn, account, AccountState.LOCKED, at=at, what=What.LOCKED)

        await self._database.run("hek_lock_ended", work)
