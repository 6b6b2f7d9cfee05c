"""What a process holds in memory follows the database, whichever process changes it."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.audit_chain import START, AuditHead
from directory_service.rules.practice import Practice, PracticeState, is_listed
from directory_service.store.changes import ChangeFeed, VersionUnknown
from directory_service.store.history import Position
from directory_service.store.practices import PracticeStore
from messenger_core.database import open_database
from tests.directory_service.store.made_up import NOW, backed_up, joining, opted_in, profile, restore


class Memory:
    """What a process that uses the feed knows."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._feed = ChangeFeed(engine)
        self.position: Position | None = None
        self.listed: dict[str, Practice] = {}
        self.left: set[str] = set()

    async def start(self) -> None:
        self.position = await self._feed.position()
        async for batch in self._feed.listed():
            self.listed |= {found.telematik_id: found for found in batch}
        self.left = {user_id for user_id, right in (await self._feed.rights()).items() if right.withdrawn}

    async def follow(self, limit: int) -> None:
        more = True
        while more:
            changes = await self._feed.since(self.position, limit)
            assert len(changes.practices) <= limit
            for changed in changes.practices:
                self.listed.pop(changed.telematik_id, None)
                assert changed.user_id is not None
                self.left.discard(changed.user_id)
                if changed.state is PracticeState.WITHDRAWN:
                    self.left.add(changed.user_id)
                if is_listed(changed):
                    self.listed[changed.telematik_id] = changed
            self.position, more = changes.position, changes.more


async def test_nothing_has_happened_yet(engine: AsyncEngine) -> None:
    feed = ChangeFeed(engine)
    assert await feed.version() == 1
    for asked in (None, await feed.position()):
        assert (await feed.since(asked)).practices == ()
    assert [batch async for batch in feed.listed()] == []


async def test_a_memory_that_follows_is_what_one_that_starts_reads(engine: AsyncEngine) -> None:
    store, chance = PracticeStore(engine), random.Random(6)
    memory = Memory(engine)
    await memory.start()
    ids = [f"1-{number}" for number in range(4)]
    for step in range(24):
        telematik_id = chance.choice(ids)
        happening = chance.randrange(5)
        if happening == 0 or await store.find(telematik_id) is None:
            await opted_in(store, telematik_id, name=f"Praxis {step}")
        elif happening == 1:
            await store.withdraw(telematik_id, NOW)
        elif happening == 2:
            await store.join(joining(telematik_id, name=f"Praxis {step}"), NOW)
        else:
            said = replace(profile(telematik_id), name=f"Praxis {step}", hide_from_insured=happening == 3)
            await store.write_profile(telematik_id, said if step % 2 else replace(said, messengers=()), NOW)
        if chance.random() < 0.5:
            await memory.follow(chance.randrange(1, 4))
    await memory.follow(2)
    fresh = Memory(engine)
    await fresh.start()
    assert (memory.position, memory.listed, memory.left) == (fresh.position, fresh.listed, fresh.left)
    assert memory.listed
    assert memory.left


async def test_a_version_that_is_yet_to_come_means_starting_anew(engine: AsyncEngine) -> None:
    with pytest.raises(VersionUnknown):
        await ChangeFeed(engine).since(Position(2, AuditHead(0, START)))


async def test_a_history_that_a_restore_took_back_means_starting_anew(engine: AsyncEngine) -> None:
    """However far the versions have grown since."""
    store, feed = PracticeStore(engine), ChangeFeed(engine)
    await opted_in(store, "1-1")
    kept, before = await backed_up(engine), await feed.position()
    await store.withdraw("1-1", NOW)
    lost = await feed.position()
    await restore(engine, kept)
    for day in range(1, 4):
        with pytest.raises(VersionUnknown):
            await feed.since(lost)
        await store.write_profile("1-1", profile("1-1"), NOW + timedelta(days=day))
    assert (await feed.position()).version > lost.version
    assert [one.telematik_id for one in (await feed.since(before)).practices] == ["1-1"]


async def test_replicas_that_change_at_once_lose_nothing_and_repeat_no_version(
    store_url: str, engine: AsyncEngine
) -> None:
    replicas = [await open_database(store_url, "directory_service") for _ in range(3)]
    memory = Memory(engine)
    await memory.start()

    async def work(number: int, replica: AsyncEngine) -> None:
        for step in range(4):
            await opted_in(PracticeStore(replica), f"{number}-{step}")
            await memory.follow(100)

    await asyncio.gather(*(work(number, replica) for number, replica in enumerate(replicas)))
    await memory.follow(100)
    for replica in replicas:
        other = Memory(replica)
        await other.start()
        assert (other.position, other.listed) == (memory.position, memory.listed)
        await replica.dispose()
    assert len({found.version for found in memory.listed.values()}) == len(memory.listed) == 12
