"""The homeserver's module follows the real directory in pages, within a second of a commit: here ten times that."""

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

from synapse_modules.adapters import directory_client
from synapse_modules.adapters.directory_client import DirectoryClient
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.settings import Configuration
from synapse_modules.store.migrations import migrate
from synapse_modules.store.reachability import Reachability
from tests.directory_service.bench import CONSENT, KEYS, PAUSE, SERVER_NAME, Directory
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


async def test_the_homeserver_follows_in_pages(
    directory: Directory, database: RealDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(directory_client, "_PAGE", PAGE)
    await database.execute(*SYNAPSE_TABLES)
    await database.run("migrate", migrate)
    keys = {telematik_id: await directory.practice_joins(telematik_id) for telematik_id in PRACTICES}
    everybody = {f"@practice-{telematik_id[2:]}:{SERVER_NAME}" for telematik_id in PRACTICES}

    async def known() -> set[str]:
        return {user_id for (user_id,) in await database.rows("SELECT user_id FROM hek_reachable")}

    async def becomes(wanted: set[str], before: set[str]) -> None:
        deadline = time.monotonic() + 60
        while (found := await known()) != wanted:
            assert found == before, "a set that is not whole was taken for one"
            assert time.monotonic() < deadline, "the homeserver did not learn it"
            await asyncio.sleep(0.02)

    async with following(directory, database) as http:
        await until(lambda: len(http.asked) > 1)  # killed between two pages
    assert await known() == set()
    async with following(directory, database) as http:
        await becomes(everybody, before=set())
        assert {asked["limit"] for asked in http.asked} == {str(PAGE)}
        first, account = PRACTICES[0], f"@practice-{PRACTICES[0][2:]}:{SERVER_NAME}"
        others = everybody - {account}
        for body, wanted, before in ((PAUSE, others, everybody), (CONSENT, everybody, others)):
            status, _ = await directory.as_practice(keys[first], "PUT", "/owner/visibility", body, first)
            assert status == 200
            await becomes(wanted, before)
