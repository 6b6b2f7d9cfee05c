"""Chats in which insured people alone are left, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from synapse_modules.store.changes import Changes
from synapse_modules.store.insured_only_rooms import InsuredOnlyRooms

ERIKA, MAX, LOCKED, SOMMER = "@erika:t", "@max:t", "@locked:t", "@sommer:t"
ROOMS = {
    "!1alone:t": {ERIKA: "join", SOMMER: "leave"},
    "!2pair:t": {ERIKA: "join", MAX: "join"},
    "!3elsewhere:x": {ERIKA: "join", "@praxis:x": "join"},
    "!care:t": {ERIKA: "join", SOMMER: "join"},
    "!asked:t": {ERIKA: "join", SOMMER: "invite"},
    "!left:t": {ERIKA: "leave"},
    "!locked:t": {LOCKED: "join"},
    "!support:t": {ERIKA: "join"},
}


async def _fill(database: Any) -> None:
    for user_id, kind, state in (
        (ERIKA, "insured", "live"),
        (MAX, "insured", "live"),
        (LOCKED, "insured", "locked"),
        (SOMMER, "practice", "live"),
    ):
        await database.execute(
            "INSERT INTO hek_account (user_id, kind, state, display_name)"
            f" VALUES ('{user_id}', '{kind}', '{state}', '')"
        )
    for room_id, members in ROOMS.items():
        kind = "support" if "support" in room_id else "care"
        if room_id.endswith(":t"):
            await database.execute(
                f"INSERT INTO hek_room (room_id, kind, created_at) VALUES ('{room_id}', '{kind}', 0)",
            )
        for user_id, membership in members.items():
            await database.execute(
                "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)"
                f" VALUES ('${room_id}{user_id}', '{room_id}', 'm.room.member', '{user_id}', '{membership}')",
                "INSERT INTO local_current_membership (room_id, user_id, membership)"
                f" VALUES ('{room_id}', '{user_id}', '{membership}')",
            )


async def test_the_candidates_come_in_pages_and_are_told_once(database: Any) -> None:
    await _fill(database)
    insured_only = InsuredOnlyRooms(database)
    assert await insured_only.candidates_after("", 2) == ["!1alone:t", "!2pair:t"]
    assert await insured_only.candidates_after("!2pair:t", 2) == ["!3elsewhere:x"]
    for at in (5, 6):
        await insured_only.tell("!2pair:t", [ERIKA, MAX], at=at)
    assert await insured_only.told() == [("!2pair:t", 5)]
    assert await insured_only.candidates_after("", 9) == ["!1alone:t", "!3elsewhere:x"]
    told = [(change.user_id, change.what, change.room_id) for change in await Changes(database).since(0)]
    assert told == [(ERIKA, "left-alone", "!2pair:t"), (MAX, "left-alone", "!2pair:t")]


async def test_who_is_taken_out_stands_in_the_audit_log_once(database: Any) -> None:
    insured_only = InsuredOnlyRooms(database)
    await insured_only.tell("!r:t", [ERIKA, MAX], at=5)
    await insured_only.emptying("!r:t", [ERIKA, MAX], at=9)
    await insured_only.emptying("!r:t", [MAX], at=10)
    rows = await database.rows("SELECT what, reason, user_id, at FROM hek_audit ORDER BY user_id")
    assert rows == [
        ("care-room-left", "insured-people-only", ERIKA, 9),
        ("care-room-left", "insured-people-only", MAX, 9),
    ]
    await insured_only.forget("!r:t")
    assert await insured_only.told() == []
