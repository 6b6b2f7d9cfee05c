"""The homeserver's module as it follows a real directory, with a database of its own and without a homeserver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from unittest.mock import Mock

import aiohttp
from joserfc.jwk import KeySet
from synapse.module_api import ModuleApi

from synapse_modules.adapters.directory_client import DirectoryClient
from synapse_modules.adapters.reachability_watch import ReachabilityWatch
from synapse_modules.settings import Configuration
from synapse_modules.store.reachability import Reachability
from tests.directory_service.bench import KEYS, Directory
from tests.synapse_modules.store.conftest import RealDatabase


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


@asynccontextmanager
async def following(directory: Directory, database: RealDatabase) -> AsyncIterator[_Http]:
    """The module's watch runs; leaving kills it wherever it is."""
    http = _Http(directory.http)
    configuration = Mock(spec=Configuration, directory_key=KEYS.homeserver, directory_jwks=KeySet([KEYS.signing]))
    configuration.settings.directory = Mock(url=directory.url, client_id="homeserver")
    api = Mock(spec=ModuleApi, http_client=http)
    watch = ReachabilityWatch(DirectoryClient(api, configuration), Reachability(database))

    async def follow() -> None:
        while True:
            await watch.follow()
            await asyncio.sleep(watch.pause_s())

    task = asyncio.create_task(follow())
    try:
        yield http
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
