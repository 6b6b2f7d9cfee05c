"""The homeserver's module follows the real directory in pages, and leads to its set also after a restore.

How soon it does is measured by ``benchmarks/directory_changes.py``; here it only has to happen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from messenger_core.database import make_engine
from synapse_modules.adapters import directory_client
from synapse_modules.store.migrations import migrate
from synapse_modules.store.reachability import Reachability
from tests.directory_service.bench import CONSENT, PAUSE, SERVER_NAME, Directory
from tests.directory_service.following_homeserver import following
from tests.directory_service.store.made_up import account, backed_up, opted_in, restore
from tests.synapse_modules.store.conftest import SYNAPSE_TABLES, RealDatabase, opened_database

PRACTICES = [f"1-2001420{number:04}" for number in range(9)]
PAGE = 2


@pytest.fixture
def database(tmp_path: Path) -> Any:
    """The homeserver's database, still without the module's tables."""
    with opened_database(f"sqlite:///{tmp_path}/homeserver.db") as connection:
        yield RealDatabase(connection)


async def until(holds: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "the homeserver did not learn it"
        await asyncio.sleep(0.02)


async def known(database: RealDatabase) -> set[str]:
    """Whom the homeserver takes for reachable."""
    return {user_id for (user_id,) in await database.rows("SELECT user_id FROM hek_reachable")}


async def learns(database: RealDatabase, wanted: set[str], before: set[str]) -> None:
    """Waits until the homeserver knows the whole set, and holds the one before until then."""
    deadline = time.monotonic() + 60
    while (found := await known(database)) != wanted:
        assert found == before, "a set that is not whole was taken for one"
        assert time.monotonic() < deadline, "the homeserver did not learn it"
        await asyncio.sleep(0.02)


async def test_the_homeserver_follows_in_pages(
    directory: Directory, database: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_client, "_PAGE", PAGE)
    await database.execute(*SYNAPSE_TABLES)
    await database.run("migrate", migrate)
    everybody = {f"@practice-{telematik_id[2:]}:{SERVER_NAME}" for telematik_id in PRACTICES}
    keys = {telematik_id: await directory.practice_joins(telematik_id) for telematik_id in PRACTICES}

    async with following(directory, database) as http:
        await until(lambda: len(http.asked) > 1)  # killed between two pages
    assert await known(database) == set()
    async with following(directory, database) as http:
        await learns(database, everybody, before=set())
        assert {asked["limit"] for asked in http.asked} == {str(PAGE)}
        first = PRACTICES[0]
        others = everybody - {f"@practice-{first[2:]}:{SERVER_NAME}"}
        for body, wanted, before in ((PAUSE, others, everybody), (CONSENT, everybody, others)):
            status, _ = await directory.as_practice(keys[first], "PUT", "/owner/visibility", body, first)
            assert status == 200
            await learns(database, wanted, before)


async def test_the_homeserver_follows_a_directory_whose_database_was_restored(
    directory: Directory, database: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if it hears of the restored one only after its versions have grown past those that were lost."""
    monkeypatch.setattr(directory_client, "_PAGE", PAGE)
    await database.execute(*SYNAPSE_TABLES)
    await database.run("migrate", migrate)
    engine = make_engine(directory.settings.database)
    store = PracticeStore(engine)
    kept_accounts = {account(await opted_in(store, telematik_id)) for telematik_id in PRACTICES[:3]}
    kept = await backed_up(engine)
    lost_accounts = {account(await opted_in(store, telematik_id)) for telematik_id in PRACTICES[3:5]}
    async with following(directory, database):
        await learns(database, kept_accounts | lost_accounts, before=set())
    await restore(engine, kept)
    new_accounts = {account(await opted_in(store, telematik_id)) for telematik_id in PRACTICES[5:]}
    assert await ReachableSet(engine).version() > (await Reachability(database).position()).version
    async with following(directory, database):
        await learns(database, kept_accounts | new_accounts, before=kept_accounts | lost_accounts)
    await engine.dispose()
