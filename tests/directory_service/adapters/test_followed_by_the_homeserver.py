"""The homeserver's module follows the real directory in pages, and leads to its set also after a restore.

How soon it does is measured by ``benchmarks/directory_changes.py``; here it only has to happen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import aiohttp
import pytest
from joserfc.jwk import KeySet
from synapse.module_api import ModuleApi

from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from messenger_core.database import make_engine
from synapse_modules.adapters import directory_client
from synapse_modules.adapters.directory_client import DirectoryClient
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.settings import Configuration
from synapse_modules.store.migrations import migrate
from synapse_modules.store.reachability import Reachability
from tests.directory_service.bench import CONSENT, KEYS, PAUSE, SERVER_NAME, Directory
from tests.directory_service.store.made_up import account, backed_up, opted_in, restore
from tests.synapse_modules.store.conftest import SYNAPSE_TABLES, RealDatabase, opened_database

PRACTICES = [f"1-2001420{number:04}" for number in range(9)]
PAGE = 2


class _Http:
    """What the module uses of Synapse's HTTP client."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.asked: list[dict[str, str]] = []

    async def get_json(self, url: str, query: Mapping[str, str], headers: Mapping[bytes, list[bytes]]) -> Any:
        self.asked.append(dict(query))
        sent = {name.decode(): value[0].decode() for name, value in headers.items()}
        async with self._http.get(url, params=query, headers=sent, raise_for_status=True) as answer:
            return await answer.json()

    async def post_urlencoded_get_json(self, url: str, form: Mapping[str, str]) -> Any:
        async with self._http.post(url, data=form, raise_for_status=True) as answer:
            return await answer.json()


@pytest.fixture
def database(tmp_path: Path) -> Any:
    """The homeserver's database, still without the module's tables."""
    with opened_database(f"sqlite:///{tmp_path}/homeserver.db") as connection:
        yield RealDatabase(connection)


@asynccontextmanager
async def following(directory: Directory, database: RealDatabase) -> AsyncIterator[_Http]:
    """The module's watch runs; leaving kills it wherever it is."""
    http = _Http(directory.http)
    configuration = Mock(spec=Configuration, directory_key=KEYS.homeserver, directory_jwks=KeySet([KEYS.signing]))
    configuration.settings.directory = Mock(url=directory.url, client_id="homeserver")
    api = Mock(spec=ModuleApi, http_client=http, sleep=asyncio.sleep)
    task = asyncio.create_task(
        ReachabilityWatch(api, DirectoryClient(api, configuration), Reachability(database)).follow()
    )
    try:
        yield http
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


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
