"""Rooms to leave, and who shares a room with another server, on SQLite and PostgreSQL."""

from __future__ import annotations

from typing import Any

from synapse_modules.store.changes import Changes
from synapse_modules.store.common_rooms import CommonRooms
from synapse_modules.store.rooms_to_leave import RoomsToLeave

ERIKA, MAX, EVA = "@erika:t", "@max:t", "@eva:t"


async def test_a_room_is_noted_until_it_is_done_and_everybody_is_told_once(database: Any) -> None:
    to_leave = RoomsToLeave(database)
    for at in (5, 6):
        await to_leave.add("!r:x", at=at)
    await to_leave.add("!earlier:x", at=1)
    assert await to_leave.all() == ["!earlier:x", "!r:x"]
    for membership, user_id in (("join", ERIKA), ("invite", MAX), ("leave", EVA)):
        await database.execute(
            "INSERT INTO local_current_membership (room_id, user_id, membership)"
            f" VALUES ('!r:x', '{user_id}', '{membership}')"
        )
    assert await to_leave.still_there("!r:x") == [ERIKA, MAX]
    for _ in range(2):
        await to_leave.tell("!r:x", ERIKA, "insured", at=7)
    told = [(change.user_id, change.what, change.room_id) for change in await Changes(database).since(0)]
    assert told == [(ERIKA, "room-left", "!r:x")]
    assert await database.rows("SELECT what, room_id FROM hek_audit") == [("care-room-left", "!r:x")]
    await to_leave.done("!r:x")
    assert await to_leave.all() == ["!earlier:x"]
    await to_leave.tell("!r:x", ERIKA, "insured", at=9)
    assert len(await Changes(database).since(0)) == 2, "the same room, entered and left again"


async def test_a_server_shares_a_room_with_those_it_is_in_one_with_or_has_invited(database: Any) -> None:
    for room, user_id, membership in (
        ("!1:t", ERIKA, "join"),
        ("!1:t", "@praxis:x", "join"),
        ("!2:t", MAX, "join"),
        ("!2:t", "@praxis:x", "leave"),
        ("!2:t", "@praxis:notx", "join"),
    ):
        await database.execute(
            "INSERT INTO current_state_events (event_id, room_id, type, state_key, membership)"
            f" VALUES ('${room}{user_id}', '{room}', 'm.room.member', '{user_id}', '{membership}')"
        )
    await database.execute("INSERT INTO events (event_id, room_id, sender) VALUES ('$i', '!3:x', '@praxis:x')")
    await database.execute(
        "INSERT INTO local_current_membership (room_id, user_id, event_id, membership)"
        f" VALUES ('!3:x', '{EVA}', '$i', 'invite')"
    )
    rooms = CommonRooms(database)
    assert await rooms.sharing_with_server("x", [ERIKA, MAX, EVA, "@nobody:t"]) == {ERIKA, EVA}
    assert await rooms.sharing_with_server("y", [ERIKA, MAX, EVA]) == set()
    assert await rooms.sharing_with_server("x", []) == set()
    for wildcard in ("%", "_"):
        assert await rooms.sharing_with_server(wildcard, [ERIKA]) == set()
