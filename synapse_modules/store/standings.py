"""How accounts move from state to state: the row, the change that others follow, and the line of the audit log."""

from __future__ import annotations

from dataclasses import dataclass

from synapse_modules.rules.membership import AccountState, LockReason, Standing
from synapse_modules.store.audit import AuditEntry, append_audit
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Transaction

_CHANGE = {
    AccountState.LIVE: What.UNDONE,
    AccountState.LOCKED: What.LOCKED,
    AccountState.DEACTIVATING: What.DEACTIVATED,
}


@dataclass(frozen=True, slots=True)
class StandingOf:
    """An account with what it is now."""

    user_id: str
    kind: str
    kvnr_hash: str | None
    standing: Standing


def read_standings(txn: Transaction, condition: str, *parameters: object) -> list[StandingOf]:
    """The accounts ``a`` for which a condition of this package's own words holds."""
    txn.execute(
        "SELECT a.user_id, a.kind, a.kvnr_hash, a.state, a.lock_reason, a.locked_at FROM hek_account a "  # noqa: S608
        + condition,
        parameters,
    )
    return [
        StandingOf(
            user_id, kind, kvnr_hash, Standing(AccountState(state), LockReason(lock) if lock else None, locked_at)
        )
        for user_id, kind, kvnr_hash, state, lock, locked_at in txn.fetchall()
    ]


def move(txn: Transaction, account: StandingOf, standing: Standing, *, at: int, actor: str) -> StandingOf:
    """Moves an account and writes down that, when, why and by whom; one that stands there already stays untouched.

    Args:
        txn: the caller's transaction.
        account: what it is.
        standing: what it becomes.
        at: the moment in milliseconds since 1970.
        actor: the client, provider or clock that moves it.
    """
    if standing == account.standing:
        return account
    txn.execute(
        "UPDATE hek_account SET state = ?, lock_reason = ?, locked_at = ? WHERE user_id = ?",
        (standing.state.value, standing.lock.value if standing.lock else None, standing.locked_at, account.user_id),
    )
    append_change(txn, at=at, user_id=account.user_id, kind=account.kind, what=_CHANGE[standing.state])
    reason = standing.lock or account.standing.lock
    entry = AuditEntry(
        f"account-{_CHANGE[standing.state].value}",
        reason.value if reason else "deactivated-directly",
        actor,
        kvnr_hash=account.kvnr_hash,
        user_id=account.user_id,
    )
    append_audit(txn, entry, at=at)
    return StandingOf(account.user_id, account.kind, account.kvnr_hash, standing)
