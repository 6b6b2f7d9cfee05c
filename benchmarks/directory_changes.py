"""How soon a change is known: at ``/reachable`` of the process that was told, at that of another, at the homeserver.

    python benchmarks/directory_changes.py [--quick]

Two directories over one real PostgreSQL. A practice opts in and pauses by its owner API at the first; a homeserver
waits at each for the next signed delta, and the homeserver's module follows the second into a database of its own. Each
time begins when the practice's software sends its request, which is before the commit. Prints a table and, as its last
line, one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import asyncpg
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import KeySet

from sandbox.ports import reserve_port

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from directory_service.app import open_application
from directory_service.settings import DirectorySettings
from messenger_core.service_auth.client import ServiceClient
from synapse_modules.store.migrations import migrate
from tests.conftest import running_postgresql
from tests.directory_service.bench import CONSENT, KEYS, PAUSE, SOMMER, Directory, HomeserverStandIn, settings_for
from tests.directory_service.following_homeserver import following
from tests.synapse_modules.store.conftest import SYNAPSE_TABLES, RealDatabase, opened_database

_GOAL_MS = 1000
_PATIENCE_S = 20.0
_LOOK_AGAIN_S = 0.005
# So long after a change, so that the next one comes at any moment between two looks of another process.
_PAUSE_S = (0.05, 0.35)


@asynccontextmanager
async def _replicas(folder: Path, database: str) -> AsyncIterator[list[Directory]]:
    """Two directories over one database."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        port = reserve_port()
        homeserver = HomeserverStandIn(f"http://127.0.0.1:{port}")
        await stack.enter_async_context(TestServer(homeserver.application(), port=port))
        replicas = []
        for name in ("told", "other"):
            (folder / name).mkdir()
            url = f"http://127.0.0.1:{reserve_port()}"
            said = settings_for(folder / name, url=url, homeserver=homeserver.url, database=database)
            settings = DirectorySettings.model_validate(said)
            app = await stack.enter_async_context(open_application(settings))
            await stack.enter_async_context(TestServer(app, port=settings.listen.port))
            replicas.append(Directory(settings, homeserver, http))
        yield replicas


async def _wait_for_deltas(client: ServiceClient, moments: asyncio.Queue[float]) -> None:
    """Follows one directory; notes the moment at which each change was there, its signature checked."""
    query = "?"
    while True:
        status, answer = await client.answer("GET", f"/reachable{query}wait=30", scope="reachability:read")
        assert status == 200, answer
        claims = jwt.decode(answer["delta"], KeySet([KEYS.signing]), algorithms=["ES256"]).claims
        if claims["add"] + claims["remove"]:
            moments.put_nowait(time.perf_counter())
        query = f"?since={claims['version']}&mark={claims['mark']}&"


async def _until_used(database: RealDatabase, *, reachable: bool) -> float:
    """When the homeserver's set holds the practice, or holds it no longer."""
    deadline = time.perf_counter() + _PATIENCE_S
    while bool(await database.rows("SELECT 1 FROM hek_reachable")) is not reachable:
        if time.perf_counter() > deadline:
            raise TimeoutError("the homeserver never learned it")
        await asyncio.sleep(_LOOK_AGAIN_S)
    return time.perf_counter()


async def _measured(told: Directory, other: Directory, database: RealDatabase, rounds: int) -> dict[str, list[float]]:
    """The times in ms of each change, by where it was awaited."""
    times: dict[str, list[float]] = {"told": [], "replica": [], "homeserver": []}
    chance = random.Random(6)  # noqa: S311 - not a secret
    key = await told.practice_joins()
    async with AsyncExitStack() as stack:
        software = await stack.enter_async_context(told.client(SOMMER, key))
        await stack.enter_async_context(following(other, database))
        queues: dict[str, asyncio.Queue[float]] = {}
        tasks = []
        for name, directory in (("told", told), ("replica", other)):
            client = await stack.enter_async_context(directory.client("homeserver", KEYS.homeserver))
            queues[name] = asyncio.Queue()
            tasks.append(asyncio.create_task(_wait_for_deltas(client, queues[name])))
        try:
            await _until_used(database, reachable=True)
            for queue in queues.values():  # what there was at first
                await asyncio.wait_for(queue.get(), _PATIENCE_S)
            for number in range(rounds):
                await asyncio.sleep(chance.uniform(*_PAUSE_S))
                visible = bool(number % 2)
                using = asyncio.create_task(_until_used(database, reachable=visible))
                begun = time.perf_counter()
                status, answer = await software.answer(
                    "PUT",
                    "/owner/visibility",
                    scope="practice:write",
                    body=CONSENT if visible else PAUSE,
                    headers={"If-Match": "*"},
                )
                assert status == 200, answer
                for name, queue in queues.items():
                    times[name].append((await asyncio.wait_for(queue.get(), _PATIENCE_S) - begun) * 1000)
                times["homeserver"].append((await using - begun) * 1000)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
    return times


async def run(rounds: int) -> dict[str, list[float]]:
    """Everything: the times in ms, by where a change was awaited."""
    with (
        running_postgresql() as server,
        TemporaryDirectory() as folder,
        opened_database(f"sqlite:///{folder}/homeserver.db") as connection,
    ):
        database = RealDatabase(connection)
        await database.execute(*SYNAPSE_TABLES)
        await database.run("migrate", migrate)
        admin = await asyncpg.connect(f"{server}/postgres")
        await admin.execute("CREATE DATABASE directory TEMPLATE template0")
        await admin.close()
        async with _replicas(Path(folder), f"{server}/directory") as (told, other):
            return await _measured(told, other, database, rounds)


def figures(times: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Median, 99th percentile and the longest time, by name."""
    found: dict[str, float] = {"goal_ms": _GOAL_MS}
    for name, each in times.items():
        ordered = sorted(each)
        found[f"p50_ms_{name}"] = ordered[len(ordered) // 2]
        found[f"p99_ms_{name}"] = ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)]
        found[f"max_ms_{name}"] = ordered[-1]
    return {name: round(value, 2) for name, value in found.items()}


def table(found: Mapping[str, float]) -> list[str]:
    """For people."""
    called = {
        "told": "/reachable of the process that was told",
        "replica": "/reachable of another replica",
        "homeserver": "the homeserver's set, through that replica",
    }
    lines = [f"{'a change is at':44}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}"]
    lines += [
        f"{where:44}{found[f'p50_ms_{name}']:>10.0f}{found[f'p99_ms_{name}']:>10.0f}{found[f'max_ms_{name}']:>10.0f}"
        for name, where in called.items()
    ]
    return [*lines, f"goal: within {_GOAL_MS} ms"]


def main() -> None:
    """Prints the table and the JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer changes, under 50 s")
    arguments = parser.parse_args()
    found = figures(asyncio.run(run(40 if arguments.quick else 200)))
    print("\n".join(table(found)))  # noqa: T201 - what it is for
    print(json.dumps(found))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
