"""The shipped proxy, tried with a real nginx: what it lets through, what it refuses, and what it never writes down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from aiohttp import web

from sandbox.ports import reserve_port
from tests.proxy_under_test import BOT, BROKER, DIRECTORY, HOMESERVER, Proxy, running_proxy
from tests.security.raw_http import gzip_of_zeros, request_head
from tests.synapse_modules.stand_ins import serving

_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_TOKEN = {"Authorization": "Bearer syt_x"}
_INSIDE, _OUTSIDE = "127.0.0.1", "127.9.9.9"
_LOGIN = "/_matrix/client/v3/login"


async def _tell(request: web.Request) -> web.Response:
    """Answers what came."""
    return web.json_response(
        {
            "path": request.path_qs,
            "for": request.headers.getall("X-Forwarded-For", []),
            "proto": request.headers.get("X-Forwarded-Proto"),
            "host": request.headers.get("Host"),
            "bytes": len(await request.read()),
        }
    )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """nginx in front of a server that tells what it was asked."""
    app, port = web.Application(client_max_size=200 * 1024 * 1024), reserve_port()
    app.router.add_route("*", "/{anything:.*}", _tell)
    behind = dict.fromkeys(("homeserver", "directory", "gesundheitsid", "bot"), port)
    with serving(app, port), running_proxy(tmp_path_factory.mktemp("nginx"), behind) as running:
        yield running


@pytest.mark.parametrize(
    ("server", "path", "inside", "outside"),
    [
        (HOMESERVER, "/_matrix/client/versions", 200, 200),
        (HOMESERVER, _LOGIN, 200, 200),
        (HOMESERVER, "/_synapse/client/oidc/callback", 200, 200),
        (HOMESERVER, "/_synapse/client/pick_idp", 200, 200),
        (HOMESERVER, "/.well-known/matrix/client", 200, 200),
        (HOMESERVER, "/tim-information/v1/server/findByIk", 200, 200),
        (HOMESERVER, "/_synapse/client/hek/v1/changes", 200, 403),
        (HOMESERVER, "/_synapse/client/hek/oauth2/token", 200, 403),
        (HOMESERVER, "/_synapse/client/../client/hek/oauth2/token", 200, 403),
        (HOMESERVER, "/_synapse/client//hek/oauth2/token", 200, 403),
        (HOMESERVER, "/_synapse/client/%68ek/oauth2/token", 200, 403),
        (HOMESERVER, "/health", 200, 403),
        (HOMESERVER, "/_synapse/admin/v2/users", 404, 404),
        (HOMESERVER, "/_synapse/metrics", 404, 404),
        (HOMESERVER, "/_synapse/replication/x", 404, 404),
        (HOMESERVER, "/_matrix/static/client/login/", 404, 404),
        (HOMESERVER, "/metrics", 404, 404),
        (HOMESERVER, "/", 404, 404),
        (DIRECTORY, "/fdv/search/HealthcareService", 200, 200),
        (DIRECTORY, "/praxissuche", 200, 200),
        (DIRECTORY, "/tim-authenticate", 200, 200),
        (DIRECTORY, "/oauth2/register", 200, 200),
        (DIRECTORY, "/owner/practice", 200, 200),
        (DIRECTORY, "/reachable", 200, 403),
        (DIRECTORY, "/people-search", 200, 403),
        (DIRECTORY, "/practice-sign-in-codes", 200, 403),
        (DIRECTORY, "/metrics", 200, 403),
        (BROKER, "/authorize", 200, 200),
        (BROKER, "/.well-known/openid-federation", 200, 200),
        (BROKER, "/token", 200, 403),
        (BROKER, "/userinfo", 200, 403),
        (BROKER, "/metrics", 200, 403),
        (BOT, "/v1/retention/held", 200, 403),
        (BOT, "/metrics", 200, 403),
        ("elsewhere.example", "/_matrix/client/versions", 421, 421),
    ],
)
async def test_what_the_world_reaches(proxy: Proxy, server: str, path: str, inside: int, outside: int) -> None:
    assert (await proxy.ask("GET", server, path, source=_INSIDE)).status == inside
    assert (await proxy.ask("GET", server, path, source=_OUTSIDE)).status == outside


async def test_where_a_request_came_from_is_said_by_the_proxy_alone(proxy: Proxy) -> None:
    answer = await proxy.ask(
        "GET", HOMESERVER, "/_matrix/client/versions?a=b", headers={"X-Forwarded-For": "192.0.2.1"}
    )
    said = json.loads(answer.body)
    assert said["for"] == [_OUTSIDE]
    assert said["proto"] == "https"
    assert said["host"] == HOMESERVER
    assert said["path"] == "/_matrix/client/versions?a=b"
    assert answer.headers["strict-transport-security"].startswith("max-age=63072000")


async def test_the_directory_speaks_for_its_people(proxy: Proxy) -> None:
    passed_on = {"X-Forwarded-For": "192.0.2.1"}
    answer = await proxy.ask("POST", HOMESERVER, _LOGIN, source=_INSIDE, body=b"{}", headers=passed_on)
    assert json.loads(answer.body)["for"] == ["192.0.2.1"]
    # What it passes on is not from inside: nobody gets at the machines' calls through it.
    machine = await proxy.ask("GET", HOMESERVER, "/_synapse/client/hek/v1/changes", source=_INSIDE, headers=passed_on)
    assert machine.status == 403


@pytest.mark.parametrize(
    ("path", "size", "headers", "status"),
    [
        (_LOGIN, 64 * 1024, {}, 200),
        (_LOGIN, 64 * 1024 + 1, {}, 413),
        (_LOGIN, 64 * 1024 + 1, _TOKEN, 413),
        (_LOGIN, 16 * 1024, _FORM, 200),
        (_LOGIN, 16 * 1024 + 1, _FORM, 413),
        ("/_matrix/client/v3/sync", 12 * 1024 * 1024, _FORM, 413),
        ("/_matrix/client/v3/createRoom", 70_000, {}, 413),
        ("/_matrix/client/v3/createRoom", 70_000, _TOKEN, 200),
        ("/_matrix/client/v3/createRoom", 1024 * 1024 + 1, _TOKEN, 413),
        ("/_matrix/client/v3/room_keys/keys", 2_000_000, _TOKEN, 200),
        ("/_matrix/media/v3/upload", 3_000_000, _TOKEN, 200),
        ("/_matrix/media/v3/upload", 3_000_000, {}, 413),
        ("/_matrix/media/v3/upload", 3_000_000, {**_TOKEN, **_FORM}, 413),
    ],
)
async def test_bodies_are_as_large_as_their_purpose_needs(
    proxy: Proxy, path: str, size: int, headers: dict[str, str], status: int
) -> None:
    kind = {"Content-Type": "application/octet-stream"} | headers
    assert (await proxy.ask("POST", HOMESERVER, path, body=bytes(size), headers=kind)).status == status


async def test_compressed_requests_and_forms_without_a_length_are_refused(proxy: Proxy) -> None:
    bomb, packed = gzip_of_zeros(16 * 1024 * 1024), {"Content-Encoding": "gzip"}
    for server in (HOMESERVER, DIRECTORY, BROKER):
        answer = await proxy.ask("POST", server, "/", body=bomb, headers=packed)
        assert answer.status == 415
        assert "Compressed" in answer.body.decode()
    assert (
        await proxy.ask("POST", HOMESERVER, _LOGIN, body=b"{}", headers={"Content-Encoding": "identity"})
    ).status == 200
    reader, writer = await proxy.connect(HOMESERVER, _OUTSIDE)
    writer.write(request_head("POST", f"https://{HOMESERVER}{_LOGIN}", {**_FORM, "Transfer-Encoding": "chunked"}))
    assert b"413" in await reader.readline()
    writer.close()


async def test_an_answer_is_never_packed(proxy: Proxy) -> None:
    answer = await proxy.ask("GET", HOMESERVER, "/_matrix/client/versions", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers


async def test_one_senders_flood_is_told_so_and_nobody_else_misses_anything(proxy: Proxy) -> None:
    flood = await asyncio.gather(*(proxy.ask("GET", HOMESERVER, _LOGIN, source="127.6.6.6") for _ in range(160)))
    refused = [answer for answer in flood if answer.status == 429]
    assert refused
    assert all(answer.headers["retry-after"] == "5" for answer in refused)
    assert json.loads(refused[0].body)["errcode"] == "M_LIMIT_EXCEEDED"
    assert (await proxy.ask("GET", HOMESERVER, _LOGIN, source="127.6.6.7")).status == 200
    # Somebody in a browser reads a page.
    page = await proxy.ask("GET", HOMESERVER, _LOGIN, source="127.6.6.6", headers={"Accept": "text/html,*/*"})
    if page.status == 429:
        assert page.headers["content-type"].startswith("text/html")
        assert "Zu viele Anfragen" in page.body.decode()


_OAUTH_PATHS = (
    "/_synapse/client/sign_in/token",
    "/_synapse/client/sign_in/revoke",
    "/_matrix/client/v1/auth_metadata",
    "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
)


async def test_no_flood_and_no_restart_ends_a_session_of_the_oauth_api(
    proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Its clients forget their keys at Matrix's form of an error and at 429; at 503 they try again."""
    flood = await asyncio.gather(
        *(proxy.ask("GET", HOMESERVER, _OAUTH_PATHS[2], source="127.6.6.8") for _ in range(900))
    )
    assert {answer.status for answer in flood} == {200, 503}
    nobody = dict.fromkeys(("homeserver", "directory", "gesundheitsid", "bot"), reserve_port())
    with running_proxy(tmp_path_factory.mktemp("nginx-alone"), nobody) as alone:
        away = [await alone.ask("GET", HOMESERVER, path) for path in _OAUTH_PATHS]
        elsewhere = await alone.ask("GET", HOMESERVER, _LOGIN)
    for answer in [*away, next(one for one in flood if one.status == 503)]:
        assert (answer.status, json.loads(answer.body)) == (503, {"error": "temporarily_unavailable"})
        assert answer.headers["retry-after"] == "30"
    assert json.loads(elsewhere.body)["errcode"] == "M_UNKNOWN"


async def test_a_half_request_is_ended(proxy: Proxy) -> None:
    connections = [await proxy.connect(HOMESERVER, "127.7.7.7") for _ in range(5)]
    for _, writer in connections:
        writer.write(b"GET /_matrix/client/versions HTTP/1.1\r\nX-A:")
    async with asyncio.timeout(100):
        for reader, writer in connections:
            with suppress(ConnectionError):
                await reader.read()
            writer.close()


async def test_nothing_of_a_person_is_logged(proxy: Proxy, tmp_path: Path) -> None:
    secret = "kardiologie"
    path = f"/_matrix/client/v3/rooms/!{secret}:hek/messages?from={secret}&access_token={secret}"
    await proxy.ask("GET", HOMESERVER, path)
    await proxy.ask("GET", DIRECTORY, f"/fdv/search/HealthcareService?name={secret}")
    await proxy.ask("POST", HOMESERVER, path, body=bytes(2_000_000), headers=_TOKEN)
    # What failed is what nginx says most of: nobody stands behind this one.
    (tmp_path / "away").mkdir()
    with running_proxy(tmp_path / "away", {"homeserver": reserve_port()}) as lonely:
        answer = await lonely.ask("GET", HOMESERVER, path)
        assert answer.status == 503
        assert answer.headers["retry-after"] == "30"
        logs = [*proxy.folder.glob("*.log"), *lonely.folder.glob("*.log")]
        text = "\n".join(log.read_text() for log in logs)
    assert secret not in text
    assert _OUTSIDE not in text
    assert "GET /_matrix/client 200" in text.replace(f"{HOMESERVER} ", "")


async def test_plain_http_leads_to_https_without_the_query(proxy: Proxy) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.plain_port)
    writer.write(f"GET /praxissuche?was=x HTTP/1.1\r\nHost: {DIRECTORY}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.read()).decode()
    writer.close()
    assert " 308 " in head
    assert f"Location: https://{DIRECTORY}/praxissuche\r\n" in head
