"""Practices that change while others search, the way the service changes them: stored, committed, and then followed.

As a process (``--database URL``) it is another one that writes, which those that search follow by themselves. A line
``writes N`` on its input has it change N practices a second from then on; the answer says how many a second there were
before that line.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.directory_queries import Known
from benchmarks.made_up_practices import practices
from directory_service.adapters.account_standings import PracticeRights
from directory_service.adapters.listing_feed import FollowedWatches, ListingFeed
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.profile_check import ProfileRules
from directory_service.search.held import Held
from directory_service.store.changes import ChangeFeed
from directory_service.store.practice_rows import as_row
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from directory_service.store.tables import directory_version, practice
from messenger_core.background import BackgroundTasks
from messenger_core.database import make_engine, open_database
from messenger_core.people_names import reserved_names

STORED = 5_000
"""Of so many practices those that are written are taken; there must be as many."""


class Writer:
    """Writes profiles by ``PracticeStore``, as a practice's software has it happen."""

    def __init__(self, store: PracticeStore, stored: Known, tell: Callable[[], Awaitable[None]] | None = None) -> None:
        """``tell`` is awaited after each commit; None if those that search are other processes."""
        self._store, self._stored, self._tell = store, stored, tell
        self._chance = random.Random(5)  # noqa: S311 - not a secret

    async def write(self, per_second: int, ended: asyncio.Event) -> float:
        """Gives a practice another one's name, so often, until it is told to end.

        Args:
            per_second: how often; each has its moment, so that the time which a write takes makes none of them late.
            ended: set to have it end.

        Returns:
            How many a second there really were.
        """
        loop = asyncio.get_running_loop()
        begun, written = loop.time(), 0
        while not ended.is_set():
            (changed, _), (other, _) = self._chance.choices(self._stored, k=2)
            profile = replace(changed.profile, name=other.profile.name)
            await self._store.write_profile(changed.telematik_id, profile, datetime.now(UTC))
            if self._tell is not None:
                await self._tell()
            written += 1
            await asyncio.sleep(max(0.0, begun + written / per_second - loop.time()))
        return written / (loop.time() - begun)


async def obey(writer: Writer) -> None:
    """Writes as the input says, until that ends; tells how many a second there were before each line."""
    writing: asyncio.Task[float] | None = None
    ended = asyncio.Event()
    while line := await asyncio.to_thread(sys.stdin.readline):
        ended.set()
        reached = await writing if writing else 0.0
        per_second, ended = int(line.split()[1]), asyncio.Event()
        writing = asyncio.create_task(writer.write(per_second, ended)) if per_second else None
        print(json.dumps({"reached": reached}), flush=True)  # noqa: T201 - read by the benchmark
    ended.set()
    if writing:
        await writing


@asynccontextmanager
async def stored(held: Held, known: Known, database: str) -> AsyncIterator[Writer]:
    """Puts some of the practices that are held in memory into a SQLite database, and follows it.

    Args:
        held: what searches look at.
        known: the practices in it; the first of them can be written.
        database: the address of a database that is not there yet.
    """
    some = known[:STORED]
    engine = await open_database(database, "directory_service")
    try:
        async with engine.begin() as connection:
            await connection.execute(practice.insert(), [as_row(one) for one, _ in some])
            newest = max(one.version for one, _ in some)
            await connection.execute(directory_version.update().values(practices=newest))
        changes = ChangeFeed(engine)
        watches = FollowedWatches(practices=changes.version, reachable=ReachableSet(engine).version)
        watches.feed = feed = ListingFeed(
            changes, held, PracticeRights(), ProfileRules(read_specialties(), reserved_names([]))
        )
        await feed.catch_up()
        async with BackgroundTasks() as tasks:
            tasks.start("following", partial(feed.follow, watches))
            yield Writer(PracticeStore(engine), some, watches.tell)
    finally:
        await engine.dispose()


async def _write_beside(database: str) -> None:
    engine = make_engine(database)
    try:
        await obey(Writer(PracticeStore(engine), list(practices(STORED))))
    finally:
        await engine.dispose()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", required=True)
    asyncio.run(_write_beside(parser.parse_args().database))
