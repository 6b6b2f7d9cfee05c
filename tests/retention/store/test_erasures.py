"""Erasures in the database: one at a time, extended when interrupted, sealed when finished."""

import asyncio
import json

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from retention.rules.moments import parse_as_of
from retention.rules.proof import check_chain, room_hash
from retention.store.erasures import DueRoom, Erasures
from retention.store.tables import erasure_proof, erasure_room

AS_OF, BEFORE, LATER = parse_as_of("2031-11-24"), parse_as_of("2026-11-24"), parse_as_of("2026-11-25")
ROOM, OTHER = DueRoom("!support:x", 3, ("mxc://x/a", "mxc://x/b")), DueRoom("!team:x", 2, ())


async def test_an_interrupted_erasure_is_found_with_what_is_still_due(engine: AsyncEngine) -> None:
    erasures = Erasures(engine)
    begun = await erasures.begin(before=BEFORE, rooms=[ROOM, OTHER])
    await erasures.homeserver_done(begun.id, OTHER.room_id)
    running = await erasures.running()
    assert running is not None
    assert (running.id, running.before, running.due) == (begun.id, BEFORE, (ROOM,))


async def test_a_later_run_extends_the_interrupted_one_and_never_shortens_it(engine: AsyncEngine) -> None:
    erasures = Erasures(engine)
    first = await erasures.begin(before=BEFORE, rooms=[ROOM])
    later = await erasures.begin(before=LATER, rooms=[OTHER])
    assert (later.id, later.before, later.due) == (first.id, LATER, (ROOM, OTHER))
    assert (await erasures.begin(before=BEFORE, rooms=[])).before == LATER


async def test_two_runs_at_once_are_one_erasure_with_one_proof(engine: AsyncEngine) -> None:
    both = [Erasures(engine), Erasures(engine)]
    begun = await asyncio.gather(*(each.begin(before=BEFORE, rooms=[ROOM]) for each in both))
    assert begun[0].id == begun[1].id
    closed = [await each.finish(begun[0], AS_OF) for each in both]
    assert closed == [True, False]
    assert len(await both[0].proof()) == 1


async def test_a_finished_erasure_is_sealed_without_content_and_forgets_rooms_and_files(engine: AsyncEngine) -> None:
    erasures = Erasures(engine)
    begun = await erasures.begin(before=BEFORE, rooms=[ROOM, OTHER])
    assert await erasures.finish(begun, AS_OF)
    assert await erasures.running() is None
    rows = await erasures.proof()
    assert check_chain(rows).rows == 2
    contents = [json.loads(row.content) for row in rows]
    assert contents[0] == {
        "run_id": begun.id,
        "room": room_hash(ROOM.room_id),
        "messages": 3,
        "media": 2,
        "before": to_milliseconds(BEFORE),
        "erased_at": to_milliseconds(AS_OF),
    }
    async with engine.connect() as connection:
        assert (await connection.execute(erasure_room.select())).all() == []


async def test_the_chain_goes_on_from_one_erasure_to_the_next(engine: AsyncEngine) -> None:
    erasures = Erasures(engine)
    for rooms in ([ROOM], [], [OTHER]):
        assert await erasures.finish(await erasures.begin(before=BEFORE, rooms=rooms), AS_OF)
    assert check_chain(await erasures.proof()).rows == 3


async def test_a_changed_row_in_the_database_breaks_the_chain(engine: AsyncEngine) -> None:
    erasures = Erasures(engine)
    for _ in range(2):
        await erasures.finish(await erasures.begin(before=BEFORE, rooms=[ROOM]), AS_OF)
    async with engine.begin() as connection:
        forged = erasure_proof.update().where(erasure_proof.c.number == 1).values(content="{}")
        await connection.execute(forged)
    assert check_chain(await erasures.proof()).broken_at == 1
