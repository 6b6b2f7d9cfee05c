"""The process: starts, serves, stops when told, and keeps no trace of who searched what."""

import asyncio
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import yaml
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.__main__ import main
from directory_service.settings import DirectorySettings
from messenger_core.database import open_database
from sandbox.ports import reserve_port
from tests.directory_service.bench import ERIKA, Directory, HomeserverStandIn, settings_for
from tests.directory_service.store.made_up import backed_up, restore

START_TIMEOUT_S = 60
STOP_TIMEOUT_S = 10


async def answers(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether the process serves."""
    try:
        async with http.get(f"{url}/health") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False


@asynccontextmanager
async def running(
    folder: Path, homeserver: HomeserverStandIn, *, ends_itself_with: int | None = None
) -> AsyncIterator[tuple[Directory, Path]]:
    """The directory as a process of its own, and its log.

    It must stop with code 0 within ten seconds of being told, or with another code by itself.
    """
    url = f"http://127.0.0.1:{reserve_port()}"
    values = settings_for(folder, url=url, homeserver=homeserver.url, database=f"sqlite:///{folder}/d.db")
    config, log = folder / "directory_service.yaml", folder / "log"
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "directory_service", "--config", str(config), stderr=output
        )
    try:
        async with aiohttp.ClientSession() as http:
            deadline = time.monotonic() + START_TIMEOUT_S
            while not await answers(http, url):
                assert process.returncode is None, log.read_text(encoding="utf-8")
                assert time.monotonic() < deadline, "the process does not answer"
                await asyncio.sleep(0.1)
            yield Directory(DirectorySettings.model_validate(values), homeserver, http), log
        if ends_itself_with is None:
            process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), STOP_TIMEOUT_S) == (ends_itself_with or 0)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_neither_person_nor_search_is_logged_or_stored(tmp_path: Path, homeserver: HomeserverStandIn) -> None:
    secret = "geheimesuche"
    async with running(tmp_path, homeserver) as (directory, log):
        await directory.practice_joins()
        token = await directory.search_token(ERIKA)
        headers = {"Authorization": f"Bearer {token}"}
        for query in ({"_text": secret}, {secret: "x"}):
            async with directory.http.get(
                f"{directory.url}/fdv/search/HealthcareService", params=query, headers=headers
            ) as answer:
                assert answer.status in {200, 400}
        assert await directory.found(secret) == []
        files = [path for path in tmp_path.iterdir() if path.name.startswith(("d.db", "log"))]
        kept = b"".join(path.read_bytes() for path in files)
        assert b"Hausarztpraxis Dr. Sommer" in kept
        for trace in ("erika", secret, token, "openid-of-user"):
            assert trace.encode() not in kept
    assert "listening" in log.read_text(encoding="utf-8")


async def test_a_request_that_is_no_http_leaves_no_trace_either(tmp_path: Path, homeserver: HomeserverStandIn) -> None:
    secret = "geheimesuche"
    faulty = [
        f"GET /fdv/search/HealthcareService?_text={secret * 6000} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET /fdv/search/HealthcareService?_text={secret} HTTP/1.1\r\nAuthorization: {secret}\0\r\n\r\n",
        f"GET {secret} {secret} {secret}\r\n\r\n",
    ]
    async with running(tmp_path, homeserver) as (directory, log):
        for request in faulty:
            reader, writer = await asyncio.open_connection("127.0.0.1", directory.settings.listen.port)
            writer.write(request.encode())
            assert b" 400 " in await reader.readline()
            writer.close()
            await writer.wait_closed()
    logged = log.read_text(encoding="utf-8")
    assert "listening" in logged
    assert secret not in logged


async def test_it_ends_to_be_started_anew_when_the_database_was_restored(
    tmp_path: Path, homeserver: HomeserverStandIn
) -> None:
    """What it holds in memory is of a history that is no more; a practice that opted in is not shown any longer."""
    async with running(tmp_path, homeserver, ends_itself_with=1) as (directory, log):
        await directory.practice_joins(opts_in=False)
        engine = await open_database(directory.settings.database, "directory_service")
        kept = await backed_up(engine)
        await directory.practice_joins()
        assert await directory.found("sommer") != []
        await restore(engine, kept)
        await engine.dispose()
    assert log.read_text(encoding="utf-8").splitlines()[-1].startswith("stopped: the database has another history")
    async with running(tmp_path, homeserver) as (directory, log):
        assert await directory.found("sommer") == []
        await directory.practice_joins()
        assert await directory.found("sommer") != []


async def test_health_is_503_while_the_database_does_not_answer(
    directory: Directory, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await answers(directory.http, directory.url)

    async def fails(_engine: AsyncEngine) -> bool:
        raise OSError("the database is gone")

    monkeypatch.setattr("directory_service.app.answers", fails)
    async with directory.http.get(f"{directory.url}/health") as answer:
        assert answer.status == 503


def test_an_unforeseen_fault_is_status_one_without_its_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> AsyncEngine:
        raise KeyError("@erika:messenger.example")

    url = f"http://127.0.0.1:{reserve_port()}"
    values = settings_for(tmp_path, url=url, homeserver=url, database=f"sqlite:///{tmp_path}/d.db")
    file = tmp_path / "directory_service.yaml"
    file.write_text(yaml.safe_dump(values), encoding="utf-8")
    monkeypatch.setattr("directory_service.app.open_database", fails)
    monkeypatch.setattr(sys, "argv", ["directory_service", "--config", str(file)])
    assert main() == 1
    output = capsys.readouterr()
    assert "stopped: KeyError at " in output.err
    assert "erika" not in output.out + output.err
