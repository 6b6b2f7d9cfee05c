"""Attacks through the shipped proxy, with a real nginx in front of the running system."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache, partial
from pathlib import Path
from urllib.parse import urlsplit

from messenger_core.homeserver_interface import HOMESERVER_TOKEN_PATH, LOGIN_PATH, MACHINE_PREFIX
from sandbox.own_addresses import own_address
from tests.proxy_under_test import BOT, BROKER, DIRECTORY, HOMESERVER, Proxy, running_proxy
from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.bystander import bystander
from tests.security.house import House, sandbox
from tests.security.raw_http import form_of_fields, gzip_of_zeros
from tests.system.conftest import Sandbox

_INSIDE = "127.0.0.1"
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_JSON = {"Content-Type": "application/json"}
_VERSIONS = "/_matrix/client/versions"
_BEHIND = ("homeserver", "directory", "gesundheitsid", "bot")
_FLOOD = 300


@cache
def _in_front_of(ports: tuple[int, ...]) -> Callable[[Path], AbstractAsyncContextManager[Proxy]]:
    """The scene of the shipped proxy in front of running components: one for each set of ports."""

    @asynccontextmanager
    async def start(folder: Path) -> AsyncIterator[Proxy]:
        with running_proxy(folder, dict(zip(_BEHIND, ports, strict=True))) as proxy:
            yield proxy

    return start


async def _proxy(house: House) -> Proxy:
    running: Sandbox = await house.scene(sandbox)
    ports = tuple(urlsplit(str(running.ready[name])).port or 0 for name in _BEHIND)
    return await house.scene(_in_front_of(ports))


async def _versions(proxy: Proxy) -> None:
    answer = await proxy.ask("GET", HOMESERVER, _VERSIONS, source=own_address("bystander"))
    assert answer.status == 200, answer.status


async def _closed(server: str, path: str, inside: frozenset[int], house: House) -> Outcome:
    """What only our own machines reach, asked from elsewhere and from here."""
    proxy = await _proxy(house)
    outside = await proxy.ask("GET", server, path, source=own_address("stranger"))
    here = await proxy.ask("GET", server, path, source=_INSIDE)
    return Outcome(outside.status in {403, 404}, here.status in inside, f"status {outside.status}, here {here.status}")


async def _heavy(
    path: str, body: Callable[[], bytes], headers: Mapping[str, str], refused: int, house: House
) -> Outcome:
    proxy = await _proxy(house)
    async with bystander(partial(_versions, proxy)) as others:
        # The proxy hangs up on whoever goes on sending; that is a refusal, too.
        status = 0
        with suppress(OSError):
            status = (
                await proxy.ask("POST", HOMESERVER, path, source=own_address("heavy"), body=body(), headers=headers)
            ).status
    small = await proxy.ask("POST", HOMESERVER, path, source=own_address("light"), body=b"{}", headers=_JSON)
    served = small.status in {400, 401}
    return Outcome(status in {0, refused}, served, f"status {status}, beside it {small.status}", others.longest_wait_ms)


async def _flood(house: House) -> Outcome:
    proxy = await _proxy(house)
    async with bystander(partial(_versions, proxy)) as others:
        answers = []
        for _ in range(0, _FLOOD, 30):
            answers += await asyncio.gather(
                *(proxy.ask("GET", HOMESERVER, LOGIN_PATH, source=own_address("flood")) for _ in range(30))
            )
    refused = [answer for answer in answers if answer.status == 429]
    told = bool(refused) and all("retry-after" in answer.headers for answer in refused)
    beside = await proxy.ask("GET", HOMESERVER, LOGIN_PATH, source=own_address("no flood"))
    return Outcome(told, beside.status == 200, f"{len(refused)} of {_FLOOD} refused", others.longest_wait_ms)


async def _halves(house: House) -> Outcome:
    proxy = await _proxy(house)
    async with bystander(partial(_versions, proxy)) as others:
        connections = [await proxy.connect(HOMESERVER, own_address("half")) for _ in range(100)]
        for _, writer in connections:
            writer.write(b"GET /_matrix/client/versions HTTP/1.1\r\nX-A:")
        ended = 0
        with suppress(TimeoutError):
            async with asyncio.timeout(100):
                for reader, writer in connections:
                    with suppress(ConnectionError):
                        await reader.read()
                    writer.close()
                    ended += 1
    return Outcome(ended == len(connections), True, f"{ended} ended", others.longest_wait_ms)


async def _forged_origin(house: House) -> Outcome:
    """Sign-ins that say they come from somebody else: she is let in all the same."""
    proxy, victim = await _proxy(house), own_address("forgery's victim")
    body = json.dumps({"type": "m.login.token", "token": "x"}).encode()
    forged = {**_JSON, "X-Forwarded-For": victim, "Forwarded": f"for={victim}"}
    statuses = [
        (
            await proxy.ask("POST", HOMESERVER, LOGIN_PATH, source=own_address("forger"), body=body, headers=forged)
        ).status
        for _ in range(50)
    ]
    served = await proxy.ask("POST", HOMESERVER, LOGIN_PATH, source=victim, body=body, headers=_JSON)
    return Outcome(429 in statuses, served.status == 403, f"the victim got {served.status}")


async def _logged(house: House) -> Outcome:
    proxy, searched = await _proxy(house), "hautkrebs"
    path = f"/fdv/search/HealthcareService?name:contains={searched}"
    answer = await proxy.ask("GET", DIRECTORY, path, source=own_address("patient"))
    await proxy.ask("GET", HOMESERVER, f"/_matrix/client/v3/rooms/!{searched}:x/messages?from={searched}")
    log = (proxy.folder / "hek-messenger.access.log").read_text()
    everything = "".join(path.read_text() for path in proxy.folder.glob("*.log"))
    silent = searched not in everything and own_address("patient") not in everything
    return Outcome(silent, answer.status == 401 and "GET /fdv 401" in log, "found in the log" if not silent else "")


_ROWS: tuple[tuple[str, Kind, str, Callable[[House], Awaitable[Outcome]]], ...] = (
    *(
        (name, Kind.OPEN_DOOR, limit, partial(_closed, server, path, frozenset(inside)))
        for name, limit, server, path, inside in (
            (
                "the machines' calls of the homeserver",
                "from inside alone",
                HOMESERVER,
                f"{MACHINE_PREFIX}/v1/changes",
                {401},
            ),
            ("the machines' token endpoint", "from inside alone", HOMESERVER, HOMESERVER_TOKEN_PATH, {405}),
            (
                "the machines' calls by another spelling",
                "from inside alone",
                HOMESERVER,
                "/_synapse/client/%68ek//v1/../v1/changes",
                {401, 404},
            ),
            ("the administrators' interface", "closed to all", HOMESERVER, "/_synapse/admin/v2/users", {404}),
            ("who is reachable", "from inside alone", DIRECTORY, "/reachable", {401}),
            ("figures of the broker", "from inside alone", BROKER, "/metrics", {200}),
            ("the bot's calls", "from inside alone", BOT, "/v1/retention/held", {401}),
        )
    ),
    (
        "12 MB of empty fields: proxy",
        Kind.HEAVY_BODY,
        "16 KiB a form",
        partial(_heavy, LOGIN_PATH, lambda: form_of_fields(12 * 1024 * 1024), _FORM, 413),
    ),
    (
        "200 MB of zeros in a compressed body: proxy",
        Kind.HEAVY_BODY,
        "nothing compressed is passed on",
        partial(
            _heavy, LOGIN_PATH, lambda: gzip_of_zeros(200 * 1024 * 1024), {**_JSON, "Content-Encoding": "gzip"}, 415
        ),
    ),
    (
        "a file of nobody's: proxy",
        Kind.HEAVY_BODY,
        "64 KiB without a token",
        partial(_heavy, "/_matrix/media/v3/upload", lambda: bytes(3 * 1024 * 1024), {}, 413),
    ),
    ("300 requests at the sign-in: proxy", Kind.FLOOD, "5 a second and 100 at once an address", _flood),
    ("100 half heads: proxy", Kind.HALF_REQUEST, "10 s a head", _halves),
    ("a forged origin: proxy", Kind.FOREIGN_LIMIT, "the proxy says itself where a request came from", _forged_origin),
    ("what patients search for: proxy", Kind.LOG, "neither queries nor whole paths or addresses", _logged),
)
ATTACKS = tuple(Attack(name, Component.PROXY, kind, limit, "nothing", attempt) for name, kind, limit, attempt in _ROWS)
