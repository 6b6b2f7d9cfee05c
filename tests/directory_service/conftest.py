"""A directory and its homeserver for tests of the HTTP interfaces; an engine of each kind for tests of the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp.test_utils import TestServer, unused_port
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.app import open_application
from directory_service.settings import DirectorySettings
from messenger_core.database import open_database
from tests.directory_service.bench import Directory, HomeserverStandIn, settings_for


@pytest.fixture
async def homeserver() -> AsyncIterator[HomeserverStandIn]:
    """A homeserver stand-in on a loopback port."""
    port = unused_port()
    stand_in = HomeserverStandIn(f"http://127.0.0.1:{port}")
    async with TestServer(stand_in.application(), port=port):
        yield stand_in


@pytest.fixture
async def directory(homeserver: HomeserverStandIn, tmp_path: Path) -> AsyncIterator[Directory]:
    """The directory on a loopback port, with a SQLite database of its own."""
    url = f"http://127.0.0.1:{unused_port()}"
    database = f"sqlite:///{tmp_path}/directory.db"
    settings = DirectorySettings.model_validate(
        settings_for(tmp_path, url=url, homeserver=homeserver.url, database=database)
    )
    async with (
        open_application(settings) as app,
        TestServer(app, port=settings.listen.port),
        aiohttp.ClientSession() as http,
    ):
        yield Directory(settings, homeserver, http)


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """The directory's empty database, once of each kind."""
    opened = await open_database(database_url, "directory_service")
    yield opened
    await opened.dispose()
