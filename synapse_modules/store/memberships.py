"""Memberships, known by the KVNR's hash alone, also of people without an account, and what follows for accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import berlin_day, to_milliseconds
from synapse_modules.rules.membership import (
    AccountState,
    LockReason,
    Membership,
    Standing,
    Statement,
    is_given_up,
    is_outdated,
    locked,
    opened,
    standing_by,
    with_statement,
)
from synapse_modules.store.audit import AuditEntry, append_audit
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction, placeholders
from synapse_modules.store.standings import StandingOf, move, read_standings

_CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class StatementOfPerson:
    """One statement about one person, and the reason that it gives."""

    kvnr_hash: str
    statement: Statement
    reason: str


@dataclass(frozen=True, slots=True)
class StatementOutcome:
    """What became of statements.

    Attributes:
        outdated: a flag for each statement, in their order.
        accounts: the accounts of those persons, moved or not.
    """

    outdated: list[bool]
    accounts: list[str]


@dataclass(frozen=True, slots=True)
class KnownMembership:
    """A membership, and the person's account if she has one."""

    membership: Membership
    standing: Standing | None


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def _memberships(txn: Transaction, hashes: Sequence[str]) -> dict[str, Membership]:
    txn.execute(
        "SELECT kvnr_hash, ends_on, issued_at, spent_on FROM hek_membership"  # noqa: S608 - placeholders only
        f" WHERE kvnr_hash IN ({placeholders(hashes)})",
        tuple(hashes),
    )
    return {
        kvnr_hash: Membership(_day(ends_on), issued_at, _day(spent_on))
        for kvnr_hash, ends_on, issued_at, spent_on in txn.fetchall()
    }


def _accounts(txn: Transaction, hashes: Sequence[str]) -> dict[str | None, StandingOf]:
    found = read_standings(txn, f"WHERE a.kvnr_hash IN ({placeholders(hashes)})", *hashes)
    return {account.kvnr_hash: account for account in found if account.standing.state is not AccountState.PENDING}


def _write(txn: Transaction, kvnr_hash: str, membership: Membership) -> None:
    txn.execute(
        "INSERT INTO hek_membership (kvnr_hash, ends_on, issued_at, spent_on) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (kvnr_hash) DO UPDATE SET ends_on = excluded.ends_on, issued_at = excluded.issued_at,"
        " spent_on = excluded.spent_on",
        (
            kvnr_hash,
            membership.ends_on.isoformat() if membership.ends_on else None,
            membership.issued_at,
            membership.spent_on.isoformat() if membership.spent_on else None,
        ),
    )


class Memberships:
    """What the core system said about memberships; every method may be repeated and then changes nothing."""

    def __init__(self, database: Database, grace: timedelta) -> None:
        """Takes the time during which a locked account can be opened again."""
        self._database = database
        self._grace = grace

    async def take(self, heard: Sequence[StatementOfPerson], *, now: datetime, actor: str) -> StatementOutcome:
        """Writes statements down in their order, with what follows for accounts; one transaction for all of them."""
        hashes = list(dict.fromkeys(one.kvnr_hash for one in heard))

        def work(txn: Transaction) -> StatementOutcome:
            known, accounts = _memberships(txn, hashes), _accounts(txn, hashes)
            taken = StatementOutcome([], [account.user_id for account in accounts.values()])
            for one in heard:
                before = known.get(one.kvnr_hash, Membership())
                outdated = is_outdated(one.statement, before)
                taken.outdated.append(outdated)
                after = before if outdated else with_statement(before, one.statement)
                if after.ends_on != before.ends_on or outdated or one.kvnr_hash not in known:
                    self._audit(txn, one, outdated=outdated, now=now, actor=actor)
                if outdated:
                    continue
                if after != before:
                    _write(txn, one.kvnr_hash, after)
                    known[one.kvnr_hash] = after
                account = accounts.get(one.kvnr_hash)
                if account is not None:
                    accounts[one.kvnr_hash] = self._follow(txn, account, before, after, now=now, actor=actor)
            return taken

        return await self._database.run("hek_membership_statements", work)

    @staticmethod
    def _audit(txn: Transaction, one: StatementOfPerson, *, outdated: bool, now: datetime, actor: str) -> None:
        what = "membership-end" if one.statement.ends_on is not None else "membership-undo"
        reason = "outdated" if outdated else one.reason
        append_audit(txn, AuditEntry(what, reason, actor, kvnr_hash=one.kvnr_hash), at=to_milliseconds(now))

    @staticmethod
    def _follow(
        txn: Transaction,
        account: StandingOf,
        before: Membership,
        after: Membership,
        *,
        now: datetime,
        actor: str,
    ) -> StandingOf:
        """Brings the account in line with a statement, and tells those who follow the changes."""
        at = to_milliseconds(now)
        lifted = opened(account.standing) if after.ends_on is None else account.standing
        moved = move(txn, account, standing_by(lifted, after.ends_on, now), at=at, actor=actor)
        if moved.standing.state is AccountState.LIVE and after.ends_on != before.ends_on:
            if after.ends_on is not None:
                append_change(txn, at=at, user_id=account.user_id, kind=account.kind, what=What.ANNOUNCED)
            elif moved == account:
                append_change(txn, at=at, user_id=account.user_id, kind=account.kind, what=What.UNDONE)
        return moved

    async def lock_moved(self, kvnr_hash: str, *, now: datetime, actor: str) -> list[str]:
        """Locks the account of a person whose GesundheitsID names another insurer; returns it if she has one."""

        def work(txn: Transaction) -> list[str]:
            at = to_milliseconds(now)
            accounts = _accounts(txn, [kvnr_hash]).values()
            for one in accounts:
                move(txn, one, locked(one.standing, LockReason.OTHER_INSURER, now), at=at, actor=actor)
            return [one.user_id for one in accounts]

        return await self._database.run("hek_other_insurer", work)

    async def known(self, kvnr_hash: str) -> KnownMembership:
        """What is known of a membership."""

        def work(txn: Transaction) -> KnownMembership:
            account = _accounts(txn, [kvnr_hash]).get(kvnr_hash)
            membership = _memberships(txn, [kvnr_hash]).get(kvnr_hash, Membership())
            return KnownMembership(membership, account.standing if account else None)

        return await self._database.run("hek_membership", work)

    async def move_what_is_due(self, *, now: datetime, limit: int) -> list[str]:
        """Locks, opens and gives up accounts as the clock says; returns at most ``limit`` that were moved."""
        today = berlin_day(now).isoformat()
        grace_ended = to_milliseconds(now - self._grace)

        def work(txn: Transaction) -> list[str]:
            found = read_standings(
                txn,
                "LEFT JOIN hek_membership m ON m.kvnr_hash = a.kvnr_hash WHERE a.kind = ? AND ("
                "(a.state = ? AND m.ends_on <= ?)"
                " OR (a.state = ? AND a.lock_reason = ? AND (m.ends_on IS NULL OR m.ends_on > ?))"
                " OR (a.state = ? AND a.locked_at <= ?)) ORDER BY a.user_id LIMIT ?",
                AccountKind.INSURED.value,
                AccountState.LIVE.value,
                today,
                AccountState.LOCKED.value,
                LockReason.MEMBERSHIP_ENDED.value,
                today,
                AccountState.LOCKED.value,
                grace_ended,
                limit,
            )
            hashes = [account.kvnr_hash for account in found if account.kvnr_hash is not None]
            known = _memberships(txn, hashes)
            moved = []
            for account in found:
                membership = known.get(account.kvnr_hash or "", Membership())
                standing = standing_by(account.standing, membership.ends_on, now)
                if is_given_up(standing, now, self._grace):
                    standing = replace(standing, state=AccountState.DEACTIVATING)
                if standing == account.standing:
                    continue
                move(txn, account, standing, at=to_milliseconds(now), actor=_CLOCK)
                moved.append(account.user_id)
                is_spent = standing.state is AccountState.DEACTIVATING and membership.ends_on is not None
                if is_spent and account.kvnr_hash is not None:
                    # The end did what it was sent for; its repetition does not mean a later account.
                    _write(txn, account.kvnr_hash, replace(membership, spent_on=membership.ends_on))
            return moved

        return await self._database.run("hek_move_what_is_due", work)
