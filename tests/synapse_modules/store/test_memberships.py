"""Memberships and what follows for accounts, and deactivations that are decided, on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import start_of_day, to_milliseconds
from synapse_modules.rules.membership import AccountState, LockReason, Stage, Standing, Statement, stage_told
from synapse_modules.store.accounts import Account, Accounts
from synapse_modules.store.changes import Changes
from synapse_modules.store.deactivations import Deactivations
from synapse_modules.store.locks import AppliedLocks
from synapse_modules.store.memberships import Memberships, StatementOfPerson
from synapse_modules.store.migrations import MIGRATIONS, migrate, schema_version

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
TODAY = date(2026, 11, 24)
GRACE = timedelta(days=30)
ERIKA = "@erika:t"


def memberships(database: Any) -> Memberships:
    return Memberships(database, GRACE)


async def insured(database: Any, user_id: str = ERIKA, kvnr_hash: str = "hash") -> Accounts:
    accounts = Accounts(database)
    wanted = Account(user_id, AccountKind.INSURED, AccountState.PENDING, "Erika", kvnr_hash=kvnr_hash, kvnr_sealed="s")
    await accounts.reserve(wanted, unique="kvnr_hash")
    await database.execute(f"INSERT INTO users (name) VALUES ('{user_id}')")
    await accounts.make_live(user_id, at=2)
    return accounts


async def say(
    database: Any, on: date | None, *, at: datetime = NOW, issued_at: datetime | None = None, kvnr_hash: str = "hash"
) -> bool:
    """The core system ends a membership, or takes that back; whether it said nothing new any more."""
    statement = Statement(on, to_milliseconds(issued_at or at), is_dated=issued_at is not None)
    heard = StatementOfPerson(kvnr_hash, statement, "other" if on else "undone")
    return (await memberships(database).take([heard], now=at, actor="core-system")).outdated[0]


async def whats(database: Any) -> list[str]:
    return [change.what for change in await Changes(database).since(0)]


async def audited(database: Any) -> list[tuple[str, str, str]]:
    return await database.rows("SELECT what, reason, actor FROM hek_audit ORDER BY at, what")  # type: ignore[no-any-return]


async def standing(database: Any, kvnr_hash: str = "hash") -> Standing | None:
    return (await memberships(database).known(kvnr_hash)).standing


async def tick(database: Any, at: datetime) -> list[str]:
    return await memberships(database).move_what_is_due(now=at, limit=10)


async def test_a_membership_ends_and_does_not_end_after_all(database: Any) -> None:
    await insured(database)
    for _ in range(2):
        await say(database, TODAY)
    [lock] = await AppliedLocks(database).to_apply([ERIKA])
    assert (lock.user_id, lock.locked) == (ERIKA, True)
    assert await AppliedLocks(database).to_apply(["@other:t"]) == []
    await database.execute(f"UPDATE users SET locked = TRUE WHERE name = '{ERIKA}'")
    assert await AppliedLocks(database).to_apply() == []
    for _ in range(2):
        await say(database, None, at=NOW + timedelta(hours=1))
    [lock] = await AppliedLocks(database).to_apply()
    assert (lock.user_id, lock.locked) == (ERIKA, False)
    assert await whats(database) == ["account-made", "locked", "undone"]
    assert await audited(database) == [
        ("account-locked", "membership-ended", "core-system"),
        ("membership-end", "other", "core-system"),
        ("account-undone", "membership-ended", "core-system"),
        ("membership-undo", "undone", "core-system"),
    ]


async def test_an_announced_end_locks_at_midnight_in_germany_and_is_given_up_after_the_grace_time(
    database: Any,
) -> None:
    await insured(database)
    on = date(2027, 3, 29)  # the day after summer time began
    for _ in range(2):
        await say(database, on)
    midnight = start_of_day(on)
    assert midnight == datetime(2027, 3, 28, 22, tzinfo=UTC)
    assert await tick(database, midnight - timedelta(seconds=1)) == []
    assert await whats(database) == ["account-made", "announced"]
    assert await tick(database, midnight) == [ERIKA]
    assert await tick(database, midnight) == []
    assert await tick(database, midnight + GRACE - timedelta(milliseconds=1)) == []
    assert await tick(database, midnight + GRACE) == [ERIKA]
    assert await tick(database, midnight + GRACE) == []
    assert await whats(database) == ["account-made", "announced", "locked", "deactivated"]
    assert await Deactivations(database).unfinished() == [ERIKA]


async def test_an_announced_end_that_is_taken_back_is_told(database: Any) -> None:
    await insured(database)
    await say(database, date(2026, 12, 24))
    await say(database, None, at=NOW + timedelta(hours=1))
    assert await whats(database) == ["account-made", "announced", "undone"]


async def test_an_end_that_moves_into_the_future_opens_the_account_again(database: Any) -> None:
    await insured(database)
    await say(database, TODAY)
    await say(database, date(2027, 1, 1), at=NOW + timedelta(seconds=1))
    assert await whats(database) == ["account-made", "locked", "undone", "announced"]
    known = await memberships(database).known("hash")
    assert known.membership.ends_on == date(2027, 1, 1)
    assert known.standing == Standing(AccountState.LIVE)


async def test_an_older_statement_changes_nothing_that_a_newer_one_said(database: Any) -> None:
    await insured(database)
    assert not await say(database, None, issued_at=NOW)
    assert await say(database, TODAY, issued_at=NOW - timedelta(minutes=1))
    assert await whats(database) == ["account-made"]
    assert ("membership-end", "outdated", "core-system") in await audited(database)
    assert not await say(database, TODAY, issued_at=NOW + timedelta(minutes=1), at=NOW + timedelta(minutes=2))
    assert await say(database, None, issued_at=NOW, at=NOW + timedelta(minutes=3))
    assert await standing(database) == Standing(
        AccountState.LOCKED, LockReason.MEMBERSHIP_ENDED, to_milliseconds(NOW + timedelta(minutes=2))
    )


async def test_the_end_of_an_unknown_persons_membership_is_remembered(database: Any) -> None:
    await say(database, TODAY, kvnr_hash="stranger")
    known = await memberships(database).known("stranger")
    assert (known.membership.ends_on, known.standing) == (TODAY, None)
    assert await whats(database) == []
    await insured(database, kvnr_hash="stranger")
    assert await tick(database, NOW) == [ERIKA], "who got in while the end was on its way is locked"


async def test_many_statements_are_taken_in_their_order(database: Any) -> None:
    await insured(database)
    heard = [
        StatementOfPerson("hash", Statement(TODAY, 10), "other"),
        StatementOfPerson("stranger", Statement(TODAY, 10), "deceased"),
        StatementOfPerson("hash", Statement(None, 9), "undone"),
        StatementOfPerson("hash", Statement(None, 11), "undone"),
    ]
    taken = await memberships(database).take(heard, now=NOW, actor="core-system")
    assert (taken.outdated, taken.accounts) == ([False, False, True, False], [ERIKA])
    assert await whats(database) == ["account-made", "locked", "undone"]


async def deactivated(database: Any) -> datetime:
    """Erika's membership ended and her account was given up; returns when."""
    await insured(database)
    await say(database, TODAY)
    later = NOW + GRACE
    assert await tick(database, later) == [ERIKA]
    await Deactivations(database).finish(ERIKA, at=to_milliseconds(later))
    return later


async def test_a_deactivated_account_keeps_nothing_of_its_person(database: Any) -> None:
    later = await deactivated(database)
    assert await database.rows("SELECT state, display_name, kvnr_hash, kvnr_sealed FROM hek_account") == [
        ("deactivated", "", None, None)
    ]
    known = await memberships(database).known("hash")
    assert stage_told(known.membership, known.standing, TODAY) is Stage.DEACTIVATED
    assert await Deactivations(database).unfinished() == []
    await Deactivations(database).finish(ERIKA, at=to_milliseconds(later))
    assert [row for row in await audited(database) if row[0] == "account-removed"] == [
        ("account-removed", "done", "homeserver")
    ]


async def test_undo_after_deactivation_permits_a_new_account_that_a_repeated_end_does_not_mean(database: Any) -> None:
    later = await deactivated(database)
    assert not await say(database, None, at=later)
    assert await whats(database) == ["account-made", "locked", "deactivated"]
    await insured(database, "@again:t")
    assert await say(database, TODAY, at=later + timedelta(days=1)), "the end that the first account had"
    assert await standing(database) == Standing(AccountState.LIVE)
    assert not await say(database, date(2027, 2, 1), at=later + timedelta(days=2))
    assert (await whats(database))[-1] == "announced"
    assert not await say(database, TODAY, at=later + timedelta(days=4), issued_at=later + timedelta(days=3))
    assert (await whats(database))[-1] == "locked", "who names the moment means it"


async def test_another_insurer_in_the_sign_in_locks_and_the_core_system_can_undo_it(database: Any) -> None:
    await insured(database)
    for _ in range(2):
        found = await memberships(database).lock_moved("hash", now=NOW, actor="oidc-gesundheitsid")
        assert found == [ERIKA]
    assert await memberships(database).lock_moved("nobody", now=NOW, actor="oidc-gesundheitsid") == []
    assert await tick(database, NOW) == [], "no statement of the core system is needed for it to stay locked"
    await say(database, None)
    assert await whats(database) == ["account-made", "locked", "undone"]
    await memberships(database).lock_moved("hash", now=NOW, actor="oidc-gesundheitsid")
    assert await tick(database, NOW + GRACE) == [ERIKA]
    known = await memberships(database).known("hash")
    assert known.membership.spent_on is None


async def test_a_lock_that_raced_with_an_undo_is_opened_by_the_clock(database: Any) -> None:
    await insured(database)
    await say(database, TODAY)
    await database.execute("UPDATE hek_membership SET ends_on = NULL")
    assert await tick(database, NOW) == [ERIKA]
    assert (await whats(database))[-1] == "undone"


async def test_a_closed_practice_is_never_given_up(database: Any) -> None:
    accounts = Accounts(database)
    practice = Account("@praxis:t", AccountKind.PRACTICE, AccountState.PENDING, "Praxis", telematik_id="1-2", jwks="{}")
    await accounts.reserve(practice, unique="telematik_id")
    await database.execute("INSERT INTO users (name) VALUES ('@praxis:t')")
    await accounts.make_live("@praxis:t", at=1)
    for _ in range(2):
        await accounts.set_closed("@praxis:t", closed=True, at=NOW, actor="directory")
    assert await tick(database, NOW + 10 * GRACE) == []
    for _ in range(2):
        await accounts.set_closed("@praxis:t", closed=False, at=NOW, actor="directory")
    assert await whats(database) == ["account-made", "locked", "undone"]


async def test_a_deactivation_past_this_module_is_taken_over(database: Any) -> None:
    await insured(database)
    deactivations = Deactivations(database)
    assert await deactivations.not_taken_over() == []
    await database.execute("UPDATE users SET deactivated = 1")
    assert await deactivations.not_taken_over() == [ERIKA]
    for _ in range(2):
        await deactivations.deactivated_directly(ERIKA, at=3)
    assert await deactivations.not_taken_over() == []
    assert await deactivations.unfinished() == [ERIKA]
    assert await whats(database) == ["account-made", "deactivated"]


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        (f"INSERT INTO devices (user_id) VALUES ('{ERIKA}')", "devices"),
        (f"INSERT INTO user_external_ids VALUES ('p', 'e', '{ERIKA}')", "user_external_ids"),
        ("UPDATE users SET deactivated = 0", "users"),
        (f"INSERT INTO user_ips VALUES ('{ERIKA}')", None),
        (f"INSERT INTO profiles VALUES ('{ERIKA}')", "profiles"),
    ],
)
async def test_what_is_left_of_an_account_is_named(database: Any, statement: str, table: str | None) -> None:
    await insured(database)
    deactivations = Deactivations(database)
    await database.execute("UPDATE users SET deactivated = 1")
    assert await deactivations.remaining(ERIKA) == []
    await database.execute(statement)
    await deactivations.clear_leftovers(ERIKA)
    assert await deactivations.remaining(ERIKA) == ([table] if table else [])


async def test_rooms_are_open_until_they_are_forgotten(database: Any) -> None:
    deactivations = Deactivations(database)
    for number, (membership, forgotten) in enumerate((("join", 0), ("leave", 0), ("leave", 1), ("invite", 0))):
        await database.execute(
            f"INSERT INTO local_current_membership VALUES ('!{number}:t', '{ERIKA}', '{membership}', '${number}')",
            f"INSERT INTO room_memberships (event_id, forgotten) VALUES ('${number}', {forgotten})",
        )
    found = [(room.room_id, room.present) for room in await deactivations.rooms(ERIKA)]
    assert found == [("!0:t", True), ("!1:t", False), ("!3:t", True)]
    assert "room_memberships" in await deactivations.remaining(ERIKA)


async def test_ends_and_locks_from_before_the_stages_are_carried_over(bare_database: Any) -> None:
    assert await bare_database.run("none", schema_version) == 0
    await bare_database.execute(
        *MIGRATIONS[0],
        "INSERT INTO hek_schema (version) VALUES (1)",
        "INSERT INTO hek_membership_end VALUES ('hash', '2026-11-01')",
        "INSERT INTO hek_account (user_id, kind, state, display_name, kvnr_hash)"
        f" VALUES ('{ERIKA}', 'insured', 'locked', 'Erika', 'hash')",
        f"INSERT INTO hek_change VALUES (1, 77, '{ERIKA}', 'insured', 'locked')",
    )
    await bare_database.run("again", migrate)
    known = await memberships(bare_database).known("hash")
    assert known.membership.ends_on == date(2026, 11, 1)
    assert known.standing == Standing(AccountState.LOCKED, LockReason.MEMBERSHIP_ENDED, 77)
