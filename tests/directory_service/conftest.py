"""A directory and its homeserver for tests of the HTTP interfaces; an engine of each kind for tests of the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.app import open_application
from directory_service.rules.audit_chain import START
from directory_service.settings import DirectorySettings
from directory_service.store.tables import directory_version, metadata
from messenger_core.clock import Clock, present
from messenger_core.database import open_database
from messenger_core.http_service import new_runner
from sandbox.ports import reserve_port
from tests.directory_service.bench import Directory, HomeserverStandIn, settings_for

NEW = {"practices": 1, "reachable": 1, "audit_entries": 0, "audit_head": START}


@pytest.fixture
async def homeserver() -> AsyncIterator[HomeserverStandIn]:
    """A homeserver stand-in on a loopback port."""
    port = reserve_port()
    stand_in = HomeserverStandIn(f"http://127.0.0.1:{port}")
    async with TestServer(stand_in.application(), port=port):
        yield stand_in


@pytest.fixture
def search_clock() -> Clock:
    """When people search; a module whose answers depend on it has a fixture of its own in place of this one."""
    return present


@pytest.fixture
async def directory(homeserver: HomeserverStandIn, tmp_path: Path, search_clock: Clock) -> AsyncIterator[Directory]:
    """The directory on a loopback port, with a SQLite database of its own."""
    url = f"http://127.0.0.1:{reserve_port()}"
    database = f"sqlite:///{tmp_path}/directory.db"
    settings = DirectorySettings.model_validate(
        settings_for(tmp_path, url=url, homeserver=homeserver.url, database=database)
    )
    async with open_application(settings, search_clock) as app, aiohttp.ClientSession() as http:
        runner = new_runner(app)
        await runner.setup()
        try:
            await web.TCPSite(runner, settings.listen.host, settings.listen.port).start()
            yield Directory(settings, homeserver, http)
        finally:
            await runner.cleanup()


@pytest.fixture(scope="session")
def shared_postgresql(postgresql_server: str) -> str:
    """One PostgreSQL database for all tests of the store; making one each would take most of their time."""

    async def make() -> None:
        connection = await asyncpg.connect(f"{postgresql_server}/postgres")
        await connection.execute("CREATE DATABASE directory TEMPLATE template0")
        await connection.close()

    asyncio.run(make())
    return f"{postgresql_server}/directory"


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database for the store, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/directory.db"
    return str(request.getfixturevalue("shared_postgresql"))


@pytest.fixture
async def engine(store_url: str) -> AsyncIterator[AsyncEngine]:
    """The directory's database as it is when it is new."""
    opened = await open_database(store_url, "directory_service")
    async with opened.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            if table is not directory_version:
                await connection.execute(table.delete())
        await connection.execute(directory_version.update().values(NEW))
    yield opened
    await opened.dispose()
