"""What a request may bring and how long it may take, at a real homeserver: heavy, compressed and half ones."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sandbox.own_addresses import own_address
from synapse_modules.rules.request_limits import FORM_BYTES, MOST_FIELDS
from tests.security.bystander import bystander
from tests.security.raw_http import HalfRequests, form_of_fields, gzip_of_zeros, nested_json, request_head, send
from tests.synapse_modules.homeserver_under_test import PREFIX, Homeserver, running_homeserver

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_TENFOLD_MS = 2000
_PATHS = [
    "/_matrix/client/v3/login",
    "/_matrix/client/v3/sync",
    "/_synapse/client/oidc/backchannel_logout",
    "/_synapse/client/new_user_consent",
    f"{PREFIX}/oauth2/token",
    f"{PREFIX}/v1/memberships/end",
    "/nowhere",
]


async def _health(homeserver: Homeserver) -> None:
    assert (await send("GET", f"{homeserver.base}/health")).status == 200


@pytest.mark.parametrize("path", _PATHS)
async def test_a_compressed_request_is_refused_unread(homeserver: Homeserver, path: str) -> None:
    bomb = gzip_of_zeros(64 * 1024 * 1024)
    async with bystander(lambda: _health(homeserver)) as others:
        answer = await send("POST", homeserver.base + path, bomb, {**_JSON, "Content-Encoding": "gzip"})
    assert answer.status == 415
    assert b"compressed" in answer.body.lower()
    assert others.longest_wait_ms <= _TENFOLD_MS


@pytest.mark.parametrize("path", _PATHS)
async def test_a_large_form_is_refused_wherever_it_is_sent(homeserver: Homeserver, path: str) -> None:
    async with bystander(lambda: _health(homeserver)) as others:
        answer = await send("POST", homeserver.base + path, form_of_fields(12 * 1024 * 1024), _FORM)
    assert answer.status == 413
    assert others.longest_wait_ms <= _TENFOLD_MS


async def test_a_form_of_many_fields_is_refused(homeserver: Homeserver) -> None:
    address = homeserver.base + "/_synapse/client/oidc/backchannel_logout"
    assert (await send("POST", address, form_of_fields(FORM_BYTES), _FORM)).status == 400
    assert (await send("POST", address, b"a=1&" * (MOST_FIELDS - 1), _FORM)).status == 400
    assert (await send("GET", f"{homeserver.base}/_matrix/client/versions?{'a=1&' * MOST_FIELDS}")).status == 400
    assert (await send("GET", f"{homeserver.base}/_matrix/client/versions?{'a=1&' * 9}")).status == 200


async def test_a_large_body_of_nobodys_is_refused_and_a_large_file_is_taken(homeserver: Homeserver) -> None:
    body = json.dumps({"type": "m" * 200_000}).encode()
    login, upload = "/_matrix/client/v3/login", "/_matrix/media/v3/upload"
    assert (await send("POST", homeserver.base + login, body, _JSON)).status == 413
    assert (await send("POST", homeserver.base + upload, bytes(200_000))).status == 413
    assert (await send("POST", homeserver.base + login, nested_json(30_000), _JSON)).status == 400
    person = await homeserver.new_person()
    token = {"Authorization": f"Bearer {person.access_token}"}
    stream = {**token, "Content-Type": "application/octet-stream"}
    assert (await send("POST", homeserver.base + upload, secrets.token_bytes(3_000_000), stream)).status == 200
    assert (
        await send("POST", homeserver.base + "/_matrix/client/v3/createRoom", bytes(2_000_000), token)
    ).status == 413


async def test_a_body_without_a_length_is_held_to_the_same_limit(homeserver: Homeserver) -> None:
    chunk = b"10000\r\n" + b"a" * 0x10000 + b"\r\n"
    headers = {**_JSON, "Transfer-Encoding": "chunked"}
    answer = await send("POST", homeserver.base + "/_matrix/client/v3/login", chunk * 4 + b"0\r\n\r\n", headers)
    assert answer.status in {0, 413}
    small = b"2\r\n{}\r\n0\r\n\r\n"
    assert (await send("POST", homeserver.base + "/_matrix/client/v3/login", small, headers)).status == 400


_BEGUN = (
    b"GET /_matrix/client/ver",
    b"GET /_matrix/client/versions HTTP/1.1\r\nHost: x\r\nX-Long:",
)


async def _drip(homeserver: Homeserver) -> None:
    """Sends one header after the other until the connection is ended."""
    reader, writer = await asyncio.open_connection("127.0.0.1", int(homeserver.base.rpartition(":")[2]))
    writer.write(b"GET / HTTP/1.1\r\n")
    with suppress(ConnectionError):
        while not reader.at_eof():
            writer.write(b"X-A: b\r\n")
            await writer.drain()
            with suppress(TimeoutError):
                await asyncio.wait_for(reader.read(1), 0.5)
    writer.close()


async def _ended(half: HalfRequests) -> None:
    while await half.count_open():  # noqa: ASYNC110 - there is no event: it is the other side that ends them
        await asyncio.sleep(0.5)


async def test_a_head_that_never_ends_is_not_waited_for(homeserver: Homeserver) -> None:
    halves = [HalfRequests(homeserver.base, begun) for begun in _BEGUN]
    for half in halves:
        assert await half.open(5, source=own_address(secrets.token_hex(4))) == 5
    async with asyncio.timeout(100):
        await _drip(homeserver)
        for half in halves:
            await _ended(half)
    for half in halves:
        await half.close()


@pytest.fixture(scope="module")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver with few places."""
    places = {"max_connections": 100, "max_connections_per_address": 60}
    folder = tmp_path_factory.mktemp("narrow")
    with running_homeserver(folder, more_module=places) as running:
        yield running


def _descriptors(homeserver: Homeserver) -> int:
    assert homeserver.process is not None
    return len(list(Path(f"/proc/{homeserver.process.pid}/fd").iterdir()))


async def test_half_requests_keep_nobody_out(narrow: Homeserver) -> None:
    body = request_head("POST", f"{narrow.base}/_matrix/client/v3/login", {"Content-Length": "9"})
    log = narrow.folder / "homeserver.log"
    before, used = log.stat().st_size, _descriptors(narrow)
    half = HalfRequests(narrow.base, body)
    async with bystander(lambda: _health(narrow)) as others:
        for number in range(10):
            await half.open(60, source=own_address(f"half-{number}"))
    # The last that came are there, those that were waited for longest made room.
    assert 0 < await half.count_open() <= 100
    assert _descriptors(narrow) <= used + 220
    assert others.longest_wait_ms <= _TENFOLD_MS
    assert log.stat().st_size - before < 10_000
    await half.close()


async def test_one_sender_has_so_many_connections_and_no_more(narrow: Homeserver) -> None:
    half = HalfRequests(narrow.base, b"GET ")
    await half.open(90, source=own_address("one sender"))
    assert await half.count_open() <= 60
    # A proxy brings many people and is not counted.
    assert (await send("GET", f"{narrow.base}/health")).status == 200
    await half.close()
    elsewhere = HalfRequests(narrow.base, b"GET ")
    assert await elsewhere.open(1, source=own_address("another")) == 1
    assert await elsewhere.count_open() == 1
    await elsewhere.close()


async def test_a_poll_that_waits_for_its_answer_is_never_ended_for_others(narrow: Homeserver) -> None:
    person = await narrow.new_person()
    status, first = await narrow.call(person, "GET", "/sync")
    assert status == 200
    poll = asyncio.create_task(narrow.call(person, "GET", f"/sync?timeout=5000&since={first['next_batch']}"))
    await asyncio.sleep(1)
    half = HalfRequests(narrow.base, b"GET ")
    for number in range(5):
        await half.open(60, source=own_address(f"crowd-{number}"))
    assert (await poll)[0] == 200
    await half.close()
