"""Accounts: their kind, their state, and how they are made, locked and found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import to_milliseconds
from synapse_modules.rules.idle_rooms import DEFAULT_MONTHS
from synapse_modules.rules.membership import AccountState, LockReason, Standing, locked
from synapse_modules.rules.reach import Party
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction, placeholders
from synapse_modules.store.standings import move, read_standings

_COLUMNS = "user_id, kind, state, display_name, kvnr_hash, kvnr_sealed, telematik_id, jwks, retention_months"


@dataclass(frozen=True, slots=True)
class Account:
    """A row of ``hek_account``."""

    user_id: str
    kind: AccountKind
    state: AccountState
    display_name: str
    kvnr_hash: str | None = None
    kvnr_sealed: str | None = None
    telematik_id: str | None = None
    jwks: str | None = None
    retention_months: int | None = None


def _account(row: tuple[object, ...]) -> Account:
    user_id, kind, state, *rest = row
    return Account(str(user_id), AccountKind(str(kind)), AccountState(str(state)), *rest)  # type: ignore[arg-type]


def select_account(txn: Transaction, column: str, value: str) -> Account | None:
    """The account whose unique ``column`` (a name from this package, never from outside) has a value."""
    txn.execute(f"SELECT {_COLUMNS} FROM hek_account WHERE {column} = ?", (value,))  # noqa: S608 - our own names
    row = txn.fetchone()
    return _account(row) if row else None


def _is_registered(txn: Transaction, user_id: str) -> bool:
    """Whether Synapse knows the account."""
    txn.execute("SELECT 1 FROM users WHERE name = ?", (user_id,))
    return txn.fetchone() is not None


class Accounts:
    """The accounts of the homeserver."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def find(self, user_id: str) -> Account | None:
        """The account of a user id."""
        return await self._find("user_id", user_id)

    async def find_by_kvnr(self, kvnr_hash: str) -> Account | None:
        """The account of an insured person."""
        return await self._find("kvnr_hash", kvnr_hash)

    async def _find(self, column: str, value: str) -> Account | None:
        return await self._database.run("hek_account", lambda txn: select_account(txn, column, value))

    async def parties(self, user_ids: Sequence[str]) -> dict[str, Party]:
        """What the rules know of some users; one that is unknown is a party without a kind."""

        def work(txn: Transaction) -> dict[str, Party]:
            txn.execute(
                "SELECT a.user_id, a.kind, a.state, r.user_id, (SELECT confirmed_at FROM hek_reachability)"  # noqa: S608
                " FROM hek_account a LEFT JOIN hek_reachable r ON r.user_id = a.user_id"
                f" WHERE a.user_id IN ({placeholders(user_ids)})",
                tuple(user_ids),
            )
            known = {
                user_id: Party(user_id, AccountKind(kind), state == AccountState.LIVE, reachable is not None, int(at))
                for user_id, kind, state, reachable, at in txn.fetchall()
            }
            return {user_id: known.get(user_id) or Party(user_id, None, live=False) for user_id in user_ids}

        return await self._database.run("hek_parties", work)

    async def reserve(self, account: Account, *, unique: str) -> Account:
        """Writes a pending account down, or returns the one that is there.

        Args:
            account: what it will be.
            unique: the column that tells whether it is there: ``user_id``, ``kvnr_hash`` or ``telematik_id``.
        """

        def work(txn: Transaction) -> Account:
            txn.execute(
                f"INSERT INTO hek_account ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
                " ON CONFLICT DO NOTHING",
                (
                    account.user_id,
                    account.kind.value,
                    AccountState.PENDING.value,
                    account.display_name,
                    account.kvnr_hash,
                    account.kvnr_sealed,
                    account.telematik_id,
                    account.jwks,
                    DEFAULT_MONTHS if account.kind is AccountKind.INSURED else None,
                ),
            )
            found = select_account(txn, unique, str(getattr(account, unique)))
            assert found is not None
            return found

        return await self._database.run("hek_reserve_account", work)

    async def is_registered(self, user_id: str) -> bool:
        """Whether Synapse has registered the account."""
        return await self._database.run("hek_is_registered", lambda txn: _is_registered(txn, user_id))

    async def is_reserved(self, user_id: str) -> bool:
        """Whether Synapse may register an account of this name."""
        account = await self.find(user_id)
        return account is not None and account.state is AccountState.PENDING

    async def make_live(self, user_id: str, *, at: int) -> None:
        """Marks an account that Synapse has registered as live; an account that is not pending stays as it is."""

        def work(txn: Transaction) -> None:
            account = select_account(txn, "user_id", user_id)
            if account is not None and account.state is AccountState.PENDING and _is_registered(txn, user_id):
                txn.execute("UPDATE hek_account SET state = ? WHERE user_id = ?", (AccountState.LIVE.value, user_id))
                append_change(txn, at=at, user_id=user_id, kind=account.kind.value, what=What.ACCOUNT_MADE)

        await self._database.run("hek_make_live", work)

    async def describe(self, user_id: str, *, display_name: str) -> None:
        """Writes a verified name down."""

        def work(txn: Transaction) -> None:
            txn.execute("UPDATE hek_account SET display_name = ? WHERE user_id = ?", (display_name, user_id))

        await self._database.run("hek_describe_account", work)

    async def set_kind(self, user_id: str, kind: AccountKind) -> None:
        """Writes the kind of an account of the settings down."""

        def work(txn: Transaction) -> None:
            txn.execute("UPDATE hek_account SET kind = ? WHERE user_id = ?", (kind.value, user_id))

        await self._database.run("hek_account_kind", work)

    async def set_retention(self, user_id: str, months: int | None) -> bool:
        """Writes an insured person's period down; False if there is no such person."""

        def work(txn: Transaction) -> bool:
            txn.execute(
                "UPDATE hek_account SET retention_months = ? WHERE user_id = ? AND kind = ? AND state <> ?",
                (months, user_id, AccountKind.INSURED.value, AccountState.PENDING.value),
            )
            return txn.rowcount == 1

        return await self._database.run("hek_set_retention", work)

    async def set_closed(self, user_id: str, *, closed: bool, at: datetime, actor: str) -> None:
        """Locks an account that the directory closed, or opens it again; repeating it changes nothing."""

        def work(txn: Transaction) -> None:
            for account in read_standings(txn, "WHERE a.user_id = ?", user_id):
                is_closed = account.standing.lock is LockReason.CLOSED
                opened = Standing(AccountState.LIVE) if is_closed else account.standing
                wanted = locked(account.standing, LockReason.CLOSED, at) if closed else opened
                move(txn, account, wanted, at=to_milliseconds(at), actor=actor)

        await self._database.run("hek_set_closed", work)

    async def find_by_external_id(self, provider: str, external_id: str) -> Account | None:
        """The account that Synapse signs somebody of a provider in to."""

        def work(txn: Transaction) -> Account | None:
            txn.execute(
                "SELECT user_id FROM user_external_ids WHERE auth_provider = ? AND external_id = ?",
                (provider, external_id),
            )
            row = txn.fetchone()
            return select_account(txn, "user_id", row[0]) if row else None

        return await self._database.run("hek_account_of_external_id", work)

    async def has_external_id(self, user_id: str, provider: str) -> bool:
        """Whether Synapse finds the account by a sign-in of a provider."""

        def work(txn: Transaction) -> bool:
            txn.execute("SELECT 1 FROM user_external_ids WHERE user_id = ? AND auth_provider = ?", (user_id, provider))
            return txn.fetchone() is not None

        return await self._database.run("hek_has_external_id", work)
