"""The stores on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.messages import SentEvent
from synapse_modules.rules.reach import Party, Room
from synapse_modules.store.accounts import Account, Accounts
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.changes import Changes
from synapse_modules.store.common_rooms import CommonRooms
from synapse_modules.store.erasable_events import ErasableEvents
from synapse_modules.store.locks import AppliedLocks
from synapse_modules.store.migrations import SCHEMA_VERSION, migrate, schema_version
from synapse_modules.store.reachability import Delta, OutOfStep, Position, Reachability
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.sealed_kvnrs import SealedKvnr, SealedKvnrs, key_ids_in_use, seal_without_key_id
from synapse_modules.store.used_assertions import UsedAssertions

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ERIKA = "@erika:t"


async def insured(database: Any, user_id: str = ERIKA, kvnr_hash: str = "hash") -> Accounts:
    accounts = Accounts(database)
    wanted = Account(user_id, AccountKind.INSURED, AccountState.PENDING, "Erika", kvnr_hash=kvnr_hash, kvnr_sealed="s")
    await accounts.reserve(wanted, unique="kvnr_hash")
    await database.execute(f"INSERT INTO users (name) VALUES ('{user_id}')")
    await accounts.make_live(user_id, at=2)
    return accounts


async def whats(database: Any) -> list[str]:
    return [change.what for change in await Changes(database).since(0)]


async def test_migrations_run_once(database: Any) -> None:
    await database.run("again", migrate)
    assert await database.run("version", schema_version) == SCHEMA_VERSION
    assert await database.rows("SELECT COUNT(*) FROM hek_change_version") == [(1,)]


async def test_a_reservation_is_found_again_and_goes_live_once(database: Any) -> None:
    accounts = Accounts(database)
    first = Account("@one:t", AccountKind.INSURED, AccountState.PENDING, "Erika", kvnr_hash="h", kvnr_sealed="s")
    second = Account("@two:t", AccountKind.INSURED, AccountState.PENDING, "Erika", kvnr_hash="h", kvnr_sealed="s")
    assert (await accounts.reserve(first, unique="kvnr_hash")).user_id == "@one:t"
    assert (await accounts.reserve(second, unique="kvnr_hash")).user_id == "@one:t"
    assert await accounts.is_reserved("@one:t")
    assert not await accounts.is_reserved("@two:t")
    await accounts.make_live("@one:t", at=3)
    assert await accounts.is_reserved("@one:t"), "Synapse has not registered it yet"
    await database.execute("INSERT INTO users (name) VALUES ('@one:t')")
    for _ in range(2):
        await accounts.make_live("@one:t", at=4)
    found = await accounts.find_by_kvnr("h")
    assert found is not None
    assert (found.state, found.retention_months) == (AccountState.LIVE, 6)
    assert await whats(database) == ["account-made"]


async def test_parties_are_what_the_rules_need(database: Any) -> None:
    accounts = await insured(database)
    await Reachability(database).apply(Delta(True, 0, 3, (ERIKA,), (), "m"), at=1)
    await accounts.set_closed(ERIKA, closed=True, at=NOW, actor="directory")
    assert await accounts.parties([ERIKA, "@nobody:t"]) == {
        ERIKA: Party(ERIKA, AccountKind.INSURED, live=False, reachable=True, directory_heard_at=1),
        "@nobody:t": Party("@nobody:t", None, live=False),
    }
    assert await accounts.parties([]) == {}


async def _heard_at(database: Any) -> int:
    [(confirmed_at,)] = await database.rows("SELECT confirmed_at FROM hek_reachability")
    return int(confirmed_at)


async def test_a_set_in_pages_counts_when_it_is_whole_and_a_restart_between_them_loses_nothing(database: Any) -> None:
    await Reachability(database).apply(Delta(True, 0, 3, ("@a:t", "@old:t"), (), "m"), at=10)
    pages = [
        Delta(True, 0, 5, ("@a:t", "@b:t"), (), "m", more=True),
        Delta(False, 5, 7, ("@c:t",), ("@b:t",), "m2", more=True),
        Delta(False, 7, 8, ("@d:t",), (), "m3"),
    ]
    reachable = "SELECT user_id FROM hek_reachable ORDER BY user_id"
    for page in pages[:-1]:
        await Reachability(database).apply(page, at=11)
        restarted = Reachability(database)
        assert await database.rows(reachable) == [("@a:t",), ("@old:t",)], "half a set decides nothing"
        assert (await restarted.position(), await _heard_at(database)) == (Position(page.version, page.mark), 10)
    with pytest.raises(OutOfStep):
        await Reachability(database).apply(Delta(False, 3, 9, ("@e:t",), (), "m"), at=12)
    await Reachability(database).apply(pages[-1], at=13)
    assert await database.rows(reachable) == [("@a:t",), ("@c:t",), ("@d:t",)]
    assert await database.rows("SELECT user_id FROM hek_reachable_aside") == []
    position = await Reachability(database).position()
    assert (position, await _heard_at(database)) == (Position(8, "m3"), 13)
    assert [(change.user_id, change.what) for change in await Changes(database).since(0)] == [
        ("@old:t", "reachability-withdrawn")
    ]


async def test_the_whole_set_from_its_beginning_forgets_what_was_put_aside(database: Any) -> None:
    reachability = Reachability(database)
    await reachability.apply(Delta(True, 0, 5, ("@a:t", "@b:t"), (), "m", more=True), at=1)
    await reachability.apply(Delta(True, 0, 2, ("@c:t",), (), "m", more=True), at=2)
    await reachability.apply(Delta(False, 2, 4, ("@d:t",), (), "m"), at=3)
    assert await database.rows("SELECT user_id FROM hek_reachable ORDER BY user_id") == [("@c:t",), ("@d:t",)]


async def test_a_page_of_changes_counts_at_once_and_the_last_one_confirms(database: Any) -> None:
    reachability = Reachability(database)
    await reachability.apply(Delta(True, 0, 3, ("@a:t",), (), "m"), at=10)
    await reachability.apply(Delta(False, 3, 5, (), ("@a:t",), "m", more=True), at=11)
    assert await database.rows("SELECT user_id FROM hek_reachable") == []
    assert (await reachability.position(), await _heard_at(database)) == (Position(5, "m"), 10)
    await reachability.apply(Delta(False, 5, 6, ("@b:t",), (), "m"), at=12)
    assert (await reachability.position(), await _heard_at(database)) == (Position(6, "m"), 12)


async def test_reachability_follows_the_versions_and_tells_who_withdrew(database: Any) -> None:
    reachability = Reachability(database)
    await reachability.apply(Delta(True, 0, 3, ("@a:t", "@b:t"), (), "m"), at=10)
    await reachability.apply(Delta(False, 3, 4, ("@c:t", "@a:t"), ("@b:t", "@never:t"), "m"), at=11)
    assert await reachability.position() == Position(4, "m")
    assert await _heard_at(database) == 11
    with pytest.raises(OutOfStep):
        await reachability.apply(Delta(False, 3, 5, (), ("@a:t",), "m"), at=12)
    assert await _heard_at(database) == 11
    await reachability.apply(Delta(True, 0, 9, ("@c:t",), (), "m"), at=13)
    assert await database.rows("SELECT user_id FROM hek_reachable") == [("@c:t",)]
    changes = await Changes(database).since(0)
    assert [(change.user_id, change.what) for change in changes] == [
        ("@b:t", "reachability-withdrawn"),
        ("@a:t", "reachability-withdrawn"),
    ]
    assert [change.version for change in changes] == [1, 2]
    assert [change.version for change in await Changes(database).since(1)] == [2]


async def test_who_has_a_chat_with_a_practice_that_withdraws_is_told_of_each(database: Any) -> None:
    await insured(database)
    await (await insured(database, "@max:t", "other")).set_closed("@max:t", closed=True, at=NOW, actor="directory")
    for room, user_id, membership in (
        ("!running:t", ERIKA, "join"),
        ("!running:t", "@max:t", "join"),
        ("!running:t", "@p:t", "join"),
        ("!asked:x", ERIKA, "join"),
        ("!asked:x", "@p:t", "invite"),
        ("!left:t", ERIKA, "leave"),
        ("!left:t", "@p:t", "join"),
        ("!declined:t", ERIKA, "join"),
        ("!declined:t", "@p:t", "leave"),
        ("!other:t", ERIKA, "join"),
        ("!other:t", "@q:t", "join"),
    ):
        await database.execute(
            "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)"
            f" VALUES ('${room}{user_id}', '{room}', 'm.room.member', '{user_id}', '{membership}')"
        )
    reachability = Reachability(database)
    await reachability.apply(Delta(True, 0, 3, ("@p:t", "@q:t"), (), "m"), at=10)
    for _ in range(2):
        await reachability.apply(Delta(True, 0, 4, ("@q:t",), (), "m"), at=11)
    told = [(one.user_id, one.kind, one.room_id) for one in await Changes(database).since(0) if one.room_id]
    assert told == [(ERIKA, "insured", "!asked:x"), (ERIKA, "insured", "!running:t")]
    assert "practice-pauses" in await whats(database)


async def test_a_statement_is_used_once_until_it_is_forgotten(database: Any) -> None:
    statements, now = UsedAssertions(database), datetime(2026, 11, 24, tzinfo=UTC)
    expires = int(now.timestamp()) + 60
    assert await statements.use_once("bot", "1\x00", expires, now)
    assert not await statements.use_once("bot", "1\x00", expires, now)
    assert await statements.use_once("other", "1\x00", expires, now)
    later = datetime.fromtimestamp(expires + 61, UTC)
    assert await statements.use_once("bot", "1\x00", expires + 600, later)


async def test_a_request_becomes_a_care_room_for_good_and_its_members_are_told(database: Any) -> None:
    accounts, rooms = await insured(database), Rooms(database)
    practice = Account("@praxis:t", AccountKind.PRACTICE, AccountState.PENDING, "Praxis", telematik_id="1-2", jwks="{}")
    await accounts.reserve(practice, unique="telematik_id")
    room = Room("!r:t", RoomKind.REQUEST, ERIKA)
    for _ in range(2):
        await rooms.add(room, created_at=100)
    for user_id, membership in ((ERIKA, "join"), ("@praxis:t", "invite"), ("@gone:t", "leave")):
        await database.execute(
            "INSERT INTO local_current_membership (room_id, user_id, membership)"
            f" VALUES ('!r:t', '{user_id}', '{membership}')",
            "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)"
            f" VALUES ('${user_id}', '!r:t', 'm.room.member', '{user_id}', '{membership}')",
        )
    assert await rooms.members("!r:t") == {ERIKA: "join", "@praxis:t": "invite"}
    assert await rooms.present("!r:t", AccountKind.PRACTICE) == []
    assert await rooms.present("!r:t", AccountKind.INSURED) == [ERIKA]
    for _ in range(2):
        await rooms.accept("!r:t")
        assert await rooms.find_with_members("!r:t") == (
            Room("!r:t", RoomKind.CARE, ERIKA),
            await rooms.members("!r:t"),
        )
    assert await rooms.membership("!r:t", ERIKA) == "join"
    assert await rooms.membership("!r:t", "@x:t") is None


async def test_a_common_room_has_both_joined_or_invited(database: Any) -> None:
    member = (
        "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)"
        " VALUES ('$', '{}', 'm.room.member', '{}', '{}')"
    )
    await database.execute(
        member.format("!1:t", ERIKA, "join"),
        member.format("!1:t", "@invited:t", "invite"),
        member.format("!1:t", "@left:t", "leave"),
        member.format("!2:t", "@stranger:t", "join"),
        # A room of another server in which nobody of ours is yet: only the invitation is known.
        "INSERT INTO events (event_id, room_id, type, sender) VALUES ('$i', '!3:x', 'm.room.member', '@praxis:x')",
        f"INSERT INTO local_current_membership (room_id, user_id, event_id, membership)"
        f" VALUES ('!3:x', '{ERIKA}', '$i', 'invite')",
    )
    rooms = CommonRooms(database)
    asked = [ERIKA, "@invited:t", "@left:t", "@stranger:t", "@praxis:x", "@nobody:x"]
    assert await rooms.sharing(ERIKA, asked) == {ERIKA, "@invited:t", "@praxis:x"}
    assert await rooms.sharing("@praxis:x", asked) == {ERIKA, "@praxis:x"}
    assert await rooms.sharing("@stranger:t", asked) == {"@stranger:t"}
    assert await rooms.sharing(ERIKA, []) == set()
    assert await rooms.sharing(ERIKA, [f"@{number}:t" for number in range(1200)] + ["@invited:t"]) == {"@invited:t"}
    assert await rooms.sharing(ERIKA, ["@nul\x00:t"]) == set()


async def test_with_somebody_who_is_locked_a_room_is_common_only_if_both_have_joined(database: Any) -> None:
    member = (
        "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)"
        " VALUES ('$', '{}', 'm.room.member', '{}', '{}')"
    )
    await insured(database)
    await database.execute(
        member.format("!1:t", ERIKA, "join"),
        member.format("!1:t", "@praxis:t", "join"),
        member.format("!1:t", "@praxis:joined", "join"),
        member.format("!2:t", ERIKA, "join"),
        member.format("!2:t", "@asked:t", "invite"),
        member.format("!2:t", "@praxis:asked", "invite"),
        member.format("!3:t", ERIKA, "invite"),
        member.format("!3:t", "@asking:t", "join"),
        "INSERT INTO events (event_id, room_id, type, sender) VALUES ('$i', '!4:x', 'm.room.member', '@praxis:asking')",
        f"INSERT INTO local_current_membership (room_id, user_id, event_id, membership)"
        f" VALUES ('!4:x', '{ERIKA}', '$i', 'invite')",
    )
    rooms = CommonRooms(database)

    async def reaching() -> tuple[list[str], list[str]]:
        people = [
            one for one in ("@praxis:t", "@asked:t", "@asking:t", "@praxis:asking") if await rooms.sharing(one, [ERIKA])
        ]
        servers = [one for one in ("joined", "asked", "asking") if await rooms.sharing_with_server(one, [ERIKA])]
        return people, servers

    assert await reaching() == (["@praxis:t", "@asked:t", "@asking:t", "@praxis:asking"], ["joined", "asked", "asking"])
    await database.execute(f"UPDATE hek_account SET state = 'locked' WHERE user_id = '{ERIKA}'")
    assert await reaching() == (["@praxis:t"], ["joined"])


async def test_an_event_is_found_in_its_room_alone(database: Any) -> None:
    rooms = Rooms(database)
    event = "INSERT INTO events (event_id, room_id, type, sender, state_key, received_ts) VALUES ({})"
    await database.execute(
        event.format(f"'$1', '!1:t', 'm.room.encrypted', '{ERIKA}', NULL, 500"),
        event.format(f"'$2', '!1:t', 'm.room.encryption', '{ERIKA}', '', 100"),
    )
    assert await rooms.sent("!1:t", "$1") == SentEvent(ERIKA, is_state=False, sent_at=500)
    assert await rooms.sent("!1:t", "$2") == SentEvent(ERIKA, is_state=True, sent_at=100)
    assert await rooms.sent("!2:t", "$1") is None


async def test_chats_count_from_their_last_message_or_their_creation(database: Any) -> None:
    await insured(database)
    rooms = Rooms(database)
    for number in (1, 2, 3):
        await rooms.add(Room(f"!{number}:t", RoomKind.CARE, ERIKA), created_at=100)
        await database.execute(
            "INSERT INTO local_current_membership (room_id, user_id, membership)"
            f" VALUES ('!{number}:t', '{ERIKA}', '{'leave' if number == 3 else 'join'}')"
        )
    event = "INSERT INTO events (event_id, room_id, type, sender, state_key, received_ts) VALUES ({})"
    await database.execute(
        event.format(f"'$1', '!1:t', 'm.room.encrypted', '{ERIKA}', NULL, 500"),
        event.format(f"'$2', '!1:t', 'm.reaction', '{ERIKA}', NULL, 900"),
        event.format(f"'$3', '!2:t', 'm.room.member', '{ERIKA}', '{ERIKA}', 900"),
    )
    chats = await rooms.chats_after("", 10)
    assert [(chat.room_id, chat.last_message_at) for chat in chats] == [("!1:t", 500), ("!2:t", 100)]
    assert [chat.room_id for chat in await rooms.chats_after("!1:t", 10)] == ["!2:t"]
    assert await rooms.wrote_after("!1:t", ERIKA, 499)
    assert not await rooms.wrote_after("!1:t", ERIKA, 500)


async def test_leftovers_of_events_that_are_gone_are_cleared_and_of_others_kept(database: Any) -> None:
    events = ErasableEvents(database)
    event = "INSERT INTO events (event_id, room_id, type, state_key, received_ts, depth, stream_ordering) VALUES ({})"
    await database.execute(
        event.format("'$kept', '!r:t', 'm.room.encrypted', NULL, 10, 5, 50"),
        event.format("'$fork', '!r:t', 'm.room.encrypted', NULL, 11, 4, 51"),
        "INSERT INTO receipts_linearized (room_id, event_id)"
        " VALUES ('!r:t', '$gone'), ('!r:t', '$kept'), ('!x:t', '$x')",
        "INSERT INTO threads (room_id, thread_id) VALUES ('!r:t', '$gone'), ('!r:t', '$kept')",
        "INSERT INTO local_media_repository (media_id, user_id) VALUES ('abc', '@praxis:t')",
    )
    for _ in range(2):
        await events.clear_leftovers("!r:t")
    assert await database.rows("SELECT event_id FROM receipts_linearized ORDER BY event_id") == [("$kept",), ("$x",)]
    assert await database.rows("SELECT thread_id FROM threads") == [("$kept",)]
    assert await events.received_before("!r:t", 11) == ["$kept"]
    first = await events.first_to_keep("!r:t", 10)
    assert first is not None
    assert (first.event_id, first.depth, first.stream) == ("$fork", 4, 51)
    assert await events.first_to_keep("!r:t", 12) is None
    assert await events.known_media(["abc", "xyz"]) == {"abc"}
    assert await events.known_media([]) == set()


async def test_files_are_the_insurers_or_the_persons_or_others(database: Any) -> None:
    accounts, events = await insured(database), ErasableEvents(database)
    for user_id, kind in (("@agent.berg:t", AccountKind.AGENT), ("@praxis:t", AccountKind.PRACTICE)):
        await accounts.reserve(Account(user_id, kind, AccountState.PENDING, "Name"), unique="user_id")
    await database.execute(
        "INSERT INTO local_media_repository (media_id, user_id) VALUES"
        f" ('hers', '{ERIKA}'), ('agents', '@agent.berg:t'), ('practices', '@praxis:t'), ('nobodys', NULL)"
    )
    named = ["hers", "agents", "practices", "nobodys", "unknown"]
    assert await events.media_of_others(named, ERIKA) == {"practices", "nobodys"}
    assert await events.media_of_others(named, None) == {"hers", "practices", "nobodys"}


async def test_the_audit_log_takes_every_line(database: Any) -> None:
    audit = AuditLog(database)
    await audit.add(AuditEntry("sign-in-refused", "other-insurer", "oidc-gesundheitsid", kvnr_hash="h"), at=1)
    await audit.add(AuditEntry("erasure", "support", "retention", room_id="!r:t"), at=2)
    assert await database.rows("SELECT at, what, kvnr_hash, room_id FROM hek_audit ORDER BY at") == [
        (1, "sign-in-refused", "h", None),
        (2, "erasure", None, "!r:t"),
    ]


async def test_a_period_is_written_for_insured_people_alone(database: Any) -> None:
    accounts = await insured(database)
    assert await accounts.set_retention(ERIKA, None)
    found = await accounts.find(ERIKA)
    assert found is not None
    assert found.retention_months is None
    assert not await accounts.set_retention("@nobody:t", 3)


async def test_locks_follow_synapses_own_row_and_pending_accounts_are_left_alone(database: Any) -> None:
    accounts = await insured(database)
    await database.execute("UPDATE users SET locked = TRUE")
    assert [(lock.user_id, lock.locked) for lock in await AppliedLocks(database).to_apply()] == [(ERIKA, False)]
    await accounts.set_closed(ERIKA, closed=True, at=NOW, actor="directory")
    assert await AppliedLocks(database).to_apply() == []
    await database.execute("UPDATE users SET locked = FALSE")
    assert [(lock.user_id, lock.locked) for lock in await AppliedLocks(database).to_apply()] == [(ERIKA, True)]
    await database.execute("UPDATE hek_account SET state = 'pending'", "UPDATE users SET locked = TRUE")
    assert await AppliedLocks(database).to_apply() == []


async def test_an_account_is_found_by_what_its_provider_calls_it(database: Any) -> None:
    accounts = await insured(database)
    assert not await accounts.has_external_id(ERIKA, "oidc-staff")
    await database.execute(f"INSERT INTO user_external_ids VALUES ('oidc-staff', 'sub', '{ERIKA}')")
    assert await accounts.has_external_id(ERIKA, "oidc-staff")
    assert await accounts.find_by_external_id("oidc-staff", "sub") == await accounts.find(ERIKA)
    assert await accounts.find_by_external_id("oidc-gesundheitsid", "sub") is None


async def test_seals_are_replaced_unless_they_changed_meanwhile(database: Any) -> None:
    accounts = Accounts(database)
    for name, sealed in (("a", "oldkeyid.x"), ("b", "eA=="), ("c", "newkeyid.x"), ("d", None)):
        account = Account(f"@{name}:t", AccountKind.INSURED, AccountState.PENDING, name, name, sealed)
        await accounts.reserve(account, unique="user_id")
    seals = SealedKvnrs(database)
    assert await database.run("ids", key_ids_in_use) == ["newkeyid", "oldkeyid"]
    assert await database.run("first", seal_without_key_id) == SealedKvnr("@b:t", "eA==")
    found = await seals.not_sealed_with("newkeyid", 10)
    assert [one.user_id for one in found] == ["@a:t", "@b:t"]
    assert len(await seals.not_sealed_with("newkeyid", 1)) == 1
    await database.execute("UPDATE hek_account SET kvnr_sealed = NULL WHERE user_id = '@b:t'")
    await seals.replace(found, {"@a:t": "newkeyid.a", "@b:t": "newkeyid.b"})
    assert await seals.count_not_sealed_with("newkeyid") == 0
    assert await database.rows(
        "SELECT kvnr_sealed FROM hek_account WHERE user_id IN ('@a:t', '@b:t') ORDER BY user_id"
    ) == [("newkeyid.a",), (None,)]
    assert await database.run("first", seal_without_key_id) is None
