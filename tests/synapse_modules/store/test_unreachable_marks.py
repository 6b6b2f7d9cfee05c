"""Marks on member events and held events, on both databases: what is to be done is found after any interruption."""

from __future__ import annotations

from typing import Any, cast

import pytest

from synapse_modules.adapters.locks import Locks, locks_of
from synapse_modules.adapters.synapse_private.locks import PrivateLocks
from synapse_modules.rules.unreachable_mark import marked
from synapse_modules.store.locks import DelayedEvents, MarkToBring, UnreachableMarks

ERIKA = "@erika:t"
ROOMS = ("!a:t", "!b:t", "!c:t")


async def _settle(database: Any) -> None:
    await database.execute(
        f"INSERT INTO hek_account (user_id, kind, state, display_name) VALUES ('{ERIKA}', 'insured', 'live', 'Erika')",
        f"INSERT INTO users (name) VALUES ('{ERIKA}')",
        *(
            statement
            for room in ROOMS
            for statement in (
                f"INSERT INTO local_current_membership VALUES ('{room}', '{ERIKA}', 'join', '${room}')",
                f"INSERT INTO room_memberships (event_id, display_name) VALUES ('${room}', 'Erika')",
            )
        ),
        f"INSERT INTO local_current_membership VALUES ('!left:t', '{ERIKA}', 'leave', '$left')",
        "INSERT INTO room_memberships (event_id) VALUES ('$left')",
    )


async def _lock(database: Any, *, locked: bool) -> None:
    state, flag = ("locked", "TRUE") if locked else ("live", "FALSE")
    await database.execute(f"UPDATE hek_account SET state = '{state}'", f"UPDATE users SET locked = {flag}")


async def _names(database: Any) -> set[str]:
    rows = await database.rows("SELECT display_name FROM room_memberships WHERE display_name IS NOT NULL")
    return {str(name) for (name,) in rows}


class _Interrupted(BaseException):
    """The process ends."""


class _Rooms:
    """Synapse's member events: writes the name as the account's lock is, and dies when it is told to."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.written: list[str] = []
        self.dies_at: str | None = None
        self.refuses: str | None = None

    async def renew_member_event(self, user_id: str, room_id: str) -> None:
        if room_id == self.dies_at:
            raise _Interrupted
        if room_id == self.refuses:
            raise ValueError
        locked = bool((await self._database.rows("SELECT locked FROM users"))[0][0])
        name = marked("Erika") if locked else "Erika"
        await self._database.execute(
            f"UPDATE room_memberships SET display_name = '{name}' WHERE event_id = '${room_id}'"
        )
        self.written.append(room_id)


def _locks(database: Any, rooms: _Rooms) -> Locks:
    return locks_of(database, cast("PrivateLocks", rooms))


async def test_every_room_is_marked_once_and_restored_once(database: Any) -> None:
    await _settle(database)
    rooms = _Rooms(database)
    locks = _locks(database, rooms)
    await locks.bring_marks()
    assert rooms.written == []
    await _lock(database, locked=True)
    for _ in range(2):
        await locks.bring_marks()
    assert rooms.written == list(ROOMS)
    assert await _names(database) == {marked("Erika")}
    await _lock(database, locked=False)
    for _ in range(2):
        await locks.bring_marks()
    assert rooms.written == [*ROOMS, *ROOMS]
    assert await _names(database) == {"Erika"}
    assert await database.rows("SELECT * FROM hek_unreachable_mark") == []


@pytest.mark.parametrize("room", ROOMS)
@pytest.mark.parametrize("undone_meanwhile", [True, False])
async def test_an_interruption_at_any_room_is_made_good(database: Any, room: str, undone_meanwhile: bool) -> None:
    await _settle(database)
    await _lock(database, locked=True)
    rooms = _Rooms(database)
    rooms.dies_at = room
    with pytest.raises(_Interrupted):
        await _locks(database, rooms).bring_marks()
    rooms.dies_at = None
    if undone_meanwhile:
        await _lock(database, locked=False)
    await _locks(database, rooms).bring_marks()
    assert await _names(database) == ({"Erika"} if undone_meanwhile else {marked("Erika")})
    assert await UnreachableMarks(database).due() == []


async def test_a_room_that_refuses_is_tried_again_and_keeps_no_other_from_being_told(database: Any) -> None:
    await _settle(database)
    await _lock(database, locked=True)
    rooms = _Rooms(database)
    rooms.refuses = "!a:t"
    locks = _locks(database, rooms)
    await locks.bring_marks()
    assert rooms.written == ["!b:t", "!c:t"]
    assert await UnreachableMarks(database).due() == [MarkToBring(ERIKA, locked=True)]
    rooms.refuses = None
    await locks.bring_marks()
    assert rooms.written == ["!b:t", "!c:t", "!a:t"]


async def test_nothing_is_marked_before_synapse_has_the_lock(database: Any) -> None:
    await _settle(database)
    await database.execute("UPDATE hek_account SET state = 'locked'")
    assert await UnreachableMarks(database).due() == []


async def test_held_events_become_due_again(database: Any) -> None:
    await database.execute(
        "INSERT INTO delayed_events VALUES ('one', 'erika', 1000, TRUE)",
        "INSERT INTO delayed_events VALUES ('two', 'erika', 3000, FALSE)",
        "INSERT INTO delayed_events VALUES ('three', 'max', 2000, FALSE)",
    )
    events = DelayedEvents(database)
    assert [await events.owner(delay_id) for delay_id in ("one", "three", "four")] == ["erika", "max", None]
    assert await events.release("max") is None
    assert await events.release("erika") == 1000
    assert await database.rows("SELECT count(*) FROM delayed_events WHERE is_processed") == [(0,)]
