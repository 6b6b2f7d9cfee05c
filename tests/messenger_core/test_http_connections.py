"""Connections of a server: bounded by address and in all, and ended where a request does not arrive."""

from __future__ import annotations

import asyncio
import json
import sys
import textwrap
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import web

from messenger_core.http_connections import ConnectionLimits, Connections
from messenger_core.http_limits import LARGE_BODY_BYTES, body_limit
from messenger_core.http_service import new_application, new_runner
from sandbox.ports import reserve_port
from tests.security.raw_http import HalfRequests, gzip_of_zeros, request_head, send

_PATIENT = ConnectionLimits(head_s=600, body_s=600, unread_s=600)
_HALF_HEAD = b"GET /health HTTP/1.1\r\nHost: x\r\nX-A"
_STRANGER = "127.0.0.2"


@dataclass(frozen=True, slots=True)
class _Served:
    url: str
    connections: Connections
    bodies: list[int]

    async def is_healthy(self) -> bool:
        return (await send("GET", f"{self.url}/health", within_s=30)).status == 200


@asynccontextmanager
async def _serving(limits: ConnectionLimits) -> AsyncIterator[_Served]:
    bodies: list[int] = []

    @body_limit(LARGE_BODY_BYTES)
    async def take(request: web.Request) -> web.Response:
        bodies.append(len(await request.read()))
        return web.json_response({})

    async def flood(_request: web.Request) -> web.Response:
        return web.Response(body=b"x" * 50_000_000)

    app = new_application()
    app.router.add_post("/take", take)
    app.router.add_get("/flood", flood)
    runner = new_runner(app, limits=limits)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield _Served(f"http://127.0.0.1:{site.port}", runner.connections, bodies)
    finally:
        await runner.cleanup()


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():  # noqa: ASYNC110 - nothing tells when it will
            await asyncio.sleep(0.02)


async def _until_ended(half: HalfRequests, left: int = 0) -> None:
    async with asyncio.timeout(30):
        while await half.count_open() > left:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)


async def test_a_head_that_does_not_come_to_its_end_ends_its_connection() -> None:
    async with _serving(ConnectionLimits(head_s=0.5)) as served:
        half, silent = HalfRequests(served.url, _HALF_HEAD), HalfRequests(served.url, b"")
        assert await half.open(20) == await silent.open(20) == 20
        await _until_ended(half)
        await _until_ended(silent)
        assert served.connections.ended["no whole head in time"] == 40
        assert await served.is_healthy()


async def test_the_head_of_a_second_request_on_a_connection_is_bounded_as_well() -> None:
    async with _serving(ConnectionLimits(head_s=0.5)) as served:
        half = HalfRequests(served.url, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        await half.open(1)
        await asyncio.sleep(2.5)
        assert await half.count_open() == 1, "an idle connection is kept for longer than half a head"
        await half.send(_HALF_HEAD)
        await _until_ended(half)
        assert served.connections.ended["no whole head in time"] == 1


@pytest.mark.parametrize("framing", [{"Content-Length": "100"}, {"Transfer-Encoding": "chunked"}])
async def test_a_body_that_does_not_come_to_its_end_is_answered_408(framing: dict[str, str]) -> None:
    async with _serving(ConnectionLimits(body_s=0.5)) as served:
        begun = request_head("POST", f"{served.url}/take", framing) + b"1\r\nx\r\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]))
        writer.write(begun)
        answer = await asyncio.wait_for(reader.read(), 30)
        assert answer.startswith(b"HTTP/1.1 408")
        assert json.loads(answer.partition(b"\r\n\r\n")[2])["type"].endswith(":request-timeout")
        writer.close()
        assert served.bodies == []
        assert (await send("POST", f"{served.url}/take", b"x" * 100)).status == 200
        assert served.bodies == [100]


async def test_an_answer_that_nobody_reads_ends_its_connection() -> None:
    async with _serving(ConnectionLimits(unread_s=0.5)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]), limit=1024)
        writer.write(request_head("GET", f"{served.url}/flood", {}))
        await _until(lambda: bool(served.connections.ended["answer not read in time"]))
        assert len(served.connections) == 0
        writer.close()
        assert reader is not None
        assert (await send("GET", f"{served.url}/flood")).status == 200


async def test_one_address_has_so_many_connections_and_leaves_the_others_theirs() -> None:
    async with _serving(ConnectionLimits(by_address=10, head_s=600)) as served:
        half = HalfRequests(served.url, _HALF_HEAD)
        await half.open(30, source=_STRANGER)
        await _until_ended(half, left=10)
        assert await half.count_open() == 10
        assert served.connections.ended == {"too many of one address": 20}
        other = HalfRequests(served.url, _HALF_HEAD)
        await other.open(5, source="127.0.0.3")
        assert await other.count_open() == 5
        assert await served.is_healthy()
        await half.close()
        await asyncio.sleep(0.2)
        again = HalfRequests(served.url, _HALF_HEAD)
        await again.open(10, source=_STRANGER)
        assert await again.count_open() == 10, "what has ended counts no longer"
        await again.close()
        await other.close()


async def test_a_trusted_proxy_speaks_for_many() -> None:
    async with _serving(ConnectionLimits(by_address=10, head_s=600)) as served:
        half = HalfRequests(served.url, _HALF_HEAD)
        await half.open(30)
        assert await half.count_open() == 30
        await half.close()


async def test_a_full_server_ends_who_waits_and_answers_who_asks() -> None:
    async with _serving(ConnectionLimits(in_all=20, head_s=600, body_s=600)) as served:
        heads = HalfRequests(served.url, _HALF_HEAD)
        bodies = HalfRequests(served.url, request_head("POST", f"{served.url}/take", {"Content-Length": "9"}))
        await bodies.open(15)
        await heads.open(60)
        assert len(served.connections) <= 20
        for _ in range(30):
            assert await served.is_healthy()
        assert served.connections.ended["to make room"] >= 55
        await heads.close()
        await bodies.close()


async def test_a_full_server_leaves_answers_on_their_way_alone() -> None:
    async with _serving(ConnectionLimits(in_all=10, head_s=600, unread_s=600)) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(served.url.rpartition(":")[2]), limit=1024)
        writer.write(request_head("GET", f"{served.url}/flood", {"Connection": "close"}))
        assert (await reader.read(16)).startswith(b"HTTP/1.1 200")
        heads = HalfRequests(served.url, _HALF_HEAD)
        await heads.open(50)
        assert served.connections.ended["to make room"] >= 40
        received = 0
        while chunk := await reader.read(1_000_000):
            received += len(chunk)
        assert received > 50_000_000
        writer.close()
        await heads.close()


async def test_a_compressed_body_is_refused_unread_on_every_path() -> None:
    packed = gzip_of_zeros(64 * 1024 * 1024)
    async with _serving(_PATIENT) as served:
        for path in ("/take", "/health", "/nothing-here"):
            for coding in ("gzip", "deflate", "br", "zstd", "identity, gzip"):
                answer = await send("POST", served.url + path, packed, {"Content-Encoding": coding})
                assert answer.status == 415, (path, coding)
                assert json.loads(answer.body)["type"].endswith(":compressed-body")
        assert served.bodies == []
        assert (await send("POST", f"{served.url}/take", b"x", {"Content-Encoding": "identity"})).status == 200
        assert served.bodies == [1]


async def test_a_client_that_hangs_up_in_its_body_is_no_fault_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    async with _serving(_PATIENT) as served:
        half = HalfRequests(served.url, request_head("POST", f"{served.url}/take", {"Content-Length": "9"}) + b"x")
        await half.open(5)
        await asyncio.sleep(0.2)
        await half.close()
        await _until(lambda: not len(served.connections))
        assert await served.is_healthy()
    assert [record for record in caplog.records if record.levelname in {"ERROR", "CRITICAL"}] == []


def test_few_descriptors_leave_room_for_files_and_for_what_is_accepted_at_once() -> None:
    few, many = ConnectionLimits.within(64), ConnectionLimits.within(65_536)
    assert (few.in_all, few.backlog) == (32, 16)
    assert (many.in_all, many.backlog) == (1_000, 128)


_PROCESS = """
    import asyncio, resource, sys
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    from messenger_core.http_service import new_application, serve_until_stopped
    from messenger_core.log import log_to_stderr
    from messenger_core.settings import ListenAddress
    log_to_stderr()
    asyncio.run(serve_until_stopped(new_application(), ListenAddress(port=int(sys.argv[1]))))
"""


async def test_with_few_descriptors_it_answers_and_writes_no_flood(tmp_path: Path) -> None:
    log, free_port = (tmp_path / "log").open("wb"), reserve_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(_PROCESS), str(free_port), stderr=log
    )
    url = f"http://127.0.0.1:{free_port}"
    try:
        async with asyncio.timeout(60):
            while True:
                try:
                    assert (await send("GET", f"{url}/health")).status == 200
                    break
                except ConnectionError:
                    await asyncio.sleep(0.1)
        for _ in range(2):
            half = HalfRequests(url, _HALF_HEAD)
            await half.open(100)
            for _ in range(10):
                assert (await send("GET", f"{url}/health", within_s=60)).status == 200
            await half.close()
    finally:
        process.terminate()
        await process.wait()
        log.close()
    assert process.returncode == 0
    written = (tmp_path / "log").read_text()
    assert "listening on" in written
    assert "Traceback" not in written
    assert len(written.splitlines()) < 20
