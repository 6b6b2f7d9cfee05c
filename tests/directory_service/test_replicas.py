"""Several directories over one PostgreSQL: what one of them is told, all of them answer, a moment later."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg
from aiohttp.test_utils import TestServer

from directory_service.app import open_application
from directory_service.settings import DirectorySettings
from sandbox.ports import reserve_port
from tests.directory_service.bench import CONSENT, PAUSE, SOMMER, Directory, HomeserverStandIn, settings_for

REPLICAS = 3


async def test_every_replica_finds_and_forgets_what_one_of_them_was_told(
    postgresql_server: str, homeserver: HomeserverStandIn, tmp_path: Path
) -> None:
    connection = await asyncpg.connect(f"{postgresql_server}/postgres")
    await connection.execute("CREATE DATABASE replicas TEMPLATE template0")
    await connection.close()
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        replicas = []
        for number in range(REPLICAS):
            folder = tmp_path / str(number)
            folder.mkdir()
            url = f"http://127.0.0.1:{reserve_port()}"
            settings = DirectorySettings.model_validate(
                settings_for(folder, url=url, homeserver=homeserver.url, database=f"{postgresql_server}/replicas")
            )
            app = await stack.enter_async_context(open_application(settings))
            await stack.enter_async_context(TestServer(app, port=settings.listen.port))
            replicas.append(Directory(settings, homeserver, http))
        first, *others = replicas
        key = await first.practice_joins(opts_in=False)
        for told, body, shown in ((first, CONSENT, True), (others[-1], PAUSE, False), (others[0], CONSENT, True)):
            status, _ = await told.as_practice(key, "PUT", "/owner/visibility", body, SOMMER)
            assert status == 200
            assert bool(await told.found("sommer")) is shown, "who was told knows at once"
            deadline = time.monotonic() + 60
            for replica in replicas:
                while bool(await replica.found("sommer")) is not shown:
                    assert time.monotonic() < deadline, "another replica did not learn it"
                    await asyncio.sleep(0.02)
