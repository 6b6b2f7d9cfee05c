"""A directory with many practices, as a process with the shipped limits, and people who search in it."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from urllib.parse import urlencode

import aiohttp
from aiohttp.test_utils import TestServer

from benchmarks.made_up_practices import practices
from directory_service.store.practice_rows import as_row
from directory_service.store.tables import directory_version, practice
from messenger_core.database import open_database
from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE
from sandbox.ports import reserve_port
from tests.directory_service.bench import KEYS, SERVER_NAME, Directory, HomeserverStandIn
from tests.directory_service.test_process import running
from tests.security.raw_http import RawAnswer, send

PRACTICES = int(os.environ.get("HEK_SECURITY_PRACTICES", "5000"))
"""How many; ``benchmarks/hostile_load.py`` takes as many as a whole country has."""
_SEARCH = "/fdv/search/HealthcareService"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
ORDINARY = (("_text", "praxis"), ("specialty", "ALLG"), ("_count", "5"))


@dataclass
class CrowdedDirectory:
    """The running directory.

    Attributes:
        directory: how its callers reach it.
        log: what it wrote.
    """

    directory: Directory
    log: Path
    _numbers: count[int] = field(default_factory=count)

    @property
    def url(self) -> str:
        """Its address."""
        return self.directory.url

    async def token(self) -> str:
        """The search token of somebody who was never there before."""
        number = next(self._numbers)
        user_id = f"@somebody-{number}:{SERVER_NAME}"
        self.directory.homeserver.openid[f"openid-{number}"] = user_id
        # Everybody has an address of her own, which the proxy of this machine tells.
        headers = {
            "X-Matrix-OpenID-Token": f"openid-{number}",
            "X-Forwarded-For": f"198.51.{number // 250 % 250 + 1}.{number % 250 + 1}",
        }
        async with self.directory.http.get(
            f"{self.url}/tim-authenticate", params={"mxId": user_id}, headers=headers
        ) as answer:
            assert answer.status == 200, answer.status
            return str((await answer.json(content_type=None))["access_token"])

    async def machine_token(self, scope: str) -> str:
        """An access token of the homeserver's."""
        endpoint = f"{self.url}/oauth2/token"
        form = {
            "grant_type": GRANT_TYPE,
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": make_assertion(
                KEYS.homeserver, client_id="homeserver", audience=endpoint, now=datetime.now(UTC)
            ),
            "scope": scope,
        }
        answer = await send("POST", endpoint, urlencode(form).encode(), _FORM)
        return str(json.loads(answer.body)["access_token"])

    async def search(
        self, token: str, parameters: Sequence[tuple[str, str]], *, kind: str = "HealthcareService"
    ) -> RawAnswer:
        """A search whose parameters stand in the body."""
        headers = {"Authorization": f"Bearer {token}", **_FORM}
        return await send("POST", f"{self.url}/fdv/search/{kind}/_search", urlencode(parameters).encode(), headers)

    async def search_of_a_bystander(self, token: str) -> None:
        """An ordinary search over a kept connection.

        Raises:
            AssertionError: if it is not answered.
        """
        headers = {"Authorization": f"Bearer {token}"}
        query: Mapping[str, str] = dict(ORDINARY)
        async with self.directory.http.get(self.url + _SEARCH, params=query, headers=headers) as answer:
            assert answer.status == 200, answer.status
            assert (await answer.json(content_type=None))["total"] > 0


async def _fill(database: str) -> None:
    engine = await open_database(database, "directory_service")
    try:
        some = [one for one, _ in practices(PRACTICES)]
        async with engine.begin() as connection:
            for first in range(0, len(some), 5_000):
                await connection.execute(practice.insert(), [as_row(one) for one in some[first : first + 5_000]])
            newest = max(one.version for one in some)
            await connection.execute(directory_version.update().values(practices=newest))
    finally:
        await engine.dispose()


@asynccontextmanager
async def crowded_directory(folder: Path) -> AsyncIterator[CrowdedDirectory]:
    """Starts it with all its practices."""
    await _fill(f"sqlite:///{folder}/d.db")
    port = reserve_port()
    homeserver = HomeserverStandIn(f"http://127.0.0.1:{port}")
    async with TestServer(homeserver.application(), port=port), running(folder, homeserver) as (directory, log):
        crowded = CrowdedDirectory(directory, log)
        token = await crowded.token()
        async with asyncio.timeout(120):
            while True:  # the JSON of all practices is prepared beside the first answers
                try:
                    await crowded.search_of_a_bystander(token)
                    break
                except (AssertionError, aiohttp.ClientError):
                    await asyncio.sleep(0.2)
        yield crowded
