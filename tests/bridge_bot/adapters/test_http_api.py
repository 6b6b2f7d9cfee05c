"""The interface for retention, over real HTTP on loopback."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, web
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.app import http_application
from bridge_bot.settings import BotSettings
from messenger_core.calendar_periods import months_before, to_milliseconds
from messenger_core.database import open_database
from messenger_core.service_auth.client import CallFailed, ServiceClient
from messenger_core.service_auth.keys import generate_private_key, public_jwks, write_private_key
from sandbox.ports import reserve_port
from tests.bridge_bot.scene import ERIKA, Scene, settings_in


@dataclass
class Api:
    address: str
    client: ServiceClient
    scene: Scene


@pytest.fixture
def minimum_age_years() -> int | None:
    """What is erased here is young."""
    return None


@pytest.fixture
async def api(tmp_path: Path, minimum_age_years: int | None) -> AsyncIterator[Api]:
    values, key, port = settings_in(tmp_path), generate_private_key(), reserve_port()
    write_private_key(generate_private_key(), tmp_path / "signing.jwk")
    (tmp_path / "retention.jwks").write_text(json.dumps(public_jwks(key)), encoding="utf-8")
    address = f"http://127.0.0.1:{port}"
    values |= {
        "public_url": address,
        "erasure_minimum_age_years": minimum_age_years,
        "signing_key_file": str(tmp_path / "signing.jwk"),
        "clients": [
            {"client_id": "retention", "jwks_file": str(tmp_path / "retention.jwks"), "scopes": ["erasure:act"]}
        ],
    }
    settings = BotSettings.model_validate(values)
    engine = await open_database(settings.database, "bridge_bot")
    scene = Scene(engine, settings)
    await scene.settle()
    runner = web.AppRunner(http_application(settings, engine), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    client = ServiceClient(client_id="retention", key=key, base_url=address, token_endpoint=f"{address}/oauth2/token")
    async with client:
        yield Api(address, client, scene)
    await runner.cleanup()
    await engine.dispose()


async def call(api: Api, method: str, path: str, **request: Any) -> tuple[int, Any]:
    return await api.client.answer(method, path, scope="erasure:act", **request)


async def test_retention_learns_what_is_due_erases_it_and_proves_it(api: Api) -> None:
    await api.scene.ticket()
    await api.scene.file(ERIKA, "Attest.pdf")
    before = {"before": "2026-11-24T00:00:00+01:00"}
    status, due = await call(api, "GET", "/v1/retention/due", query=before)
    assert status == 200
    assert {room["room_id"] for room in due["rooms"]} == {"!erika:hek.localhost", api.scene.team_room}
    assert [room["media"] for room in due["rooms"]] == [["mxc://hek.localhost/Attest"], []]
    held = await call(api, "GET", "/v1/retention/held", query=before)
    assert held[1]["tickets"] == 1
    erased = await call(api, "POST", "/v1/retention/erase", body={"before": 1795474800000})
    assert erased == held
    assert await call(api, "GET", "/v1/retention/held", query=before) == (
        200,
        {"messages": 0, "media": 0, "tickets": 0},
    )


@pytest.mark.parametrize(
    "query",
    [{}, {"before": "gestern"}, {"before": "2026-11-24T00:00:00"}, {"before": "2026-11-24T00:00:00Z", "x": "1"}],
)
async def test_a_moment_that_is_not_one_is_refused_with_a_problem(api: Api, query: dict[str, str]) -> None:
    status, problem = await call(api, "GET", "/v1/retention/due", query=query)
    assert (status, problem["type"]) == (400, "urn:hek-messenger:problem:invalid-query")


@pytest.mark.parametrize(
    "body", [{}, {"before": "2026"}, {"before": -1}, {"before": 10**18}, {"before": True}, {"before": 1, "x": 1}, []]
)
async def test_a_body_that_is_not_as_described_erases_nothing(api: Api, body: object) -> None:
    status, problem = await call(api, "POST", "/v1/retention/erase", body=body)
    kind = "unknown-field" if "x" in str(body) else "invalid-body"
    assert (status, problem["type"]) == (400, f"urn:hek-messenger:problem:{kind}")


async def test_nobody_is_served_without_a_token_and_no_other_scope_is_given(api: Api) -> None:
    async with ClientSession() as http:
        for method, path in (("GET", "due"), ("POST", "erase"), ("GET", "held")):
            async with http.request(method, f"{api.address}/v1/retention/{path}") as answer:
                assert answer.status == 401
        async with http.get(f"{api.address}/health") as answer:
            assert answer.status == 200
    with pytest.raises(CallFailed):
        await api.client.call("GET", "/v1/retention/held", scope="retention:act")


async def test_health_is_503_while_the_database_does_not_answer(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_engine: AsyncEngine) -> None:
        raise OSError("the database is away")

    monkeypatch.setattr(AsyncEngine, "connect", away)
    async with ClientSession() as http, http.get(f"{api.address}/health") as answer:
        assert answer.status == 503


@pytest.mark.parametrize("minimum_age_years", [5])
async def test_nothing_younger_than_the_operators_minimum_age_is_erased_whatever_retention_says(api: Api) -> None:
    await api.scene.ticket()
    now, hour_ms = datetime.now(UTC), 3_600_000
    oldest = to_milliseconds(months_before(now, 60))
    for before in (oldest + 25 * hour_ms, to_milliseconds(now), to_milliseconds(now) + 365 * 24 * hour_ms):
        status, problem = await call(api, "POST", "/v1/retention/erase", body={"before": before})
        assert (status, problem["type"]) == (409, "urn:hek-messenger:problem:too-young")
    held = await call(api, "GET", "/v1/retention/held", query={"before": "2030-01-01T00:00:00Z"})
    assert held[1]["tickets"] == 1
    status, erased = await call(api, "POST", "/v1/retention/erase", body={"before": oldest})
    assert (status, erased["messages"]) == (200, 0)
