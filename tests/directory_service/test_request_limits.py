"""The doors where nobody is signed in yet: how often anybody may knock, and that others are let in meanwhile."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import TestServer

from directory_service.adapters.pages.sign_in_states import STATE_LIFETIME, SignInStates
from directory_service.app import open_application
from directory_service.settings import DirectorySettings
from messenger_core.http_service import internal_of
from messenger_core.service_auth.keys import generate_private_key
from sandbox.ports import reserve_port
from tests.directory_service.bench import KEYS, PROFILE, SERVER_NAME, SOMMER, Directory, settings_for
from tests.directory_service.pages.scene import code_for
from tests.directory_service.pages.visitor import Visitor, patient

Knock = Callable[[Directory, dict[str, str]], Awaitable[aiohttp.ClientResponse]]


def knock(method: str, path: str, **named: Any) -> Knock:
    """One request of a stranger."""

    async def send(directory: Directory, headers: dict[str, str]) -> aiohttp.ClientResponse:
        more = headers | named.get("headers", {})
        others = {name: value for name, value in named.items() if name != "headers"}
        async with directory.http.request(
            method, directory.url + path, headers=more, allow_redirects=False, **others
        ) as answer:
            await answer.read()
            return answer

    return send


DOORS: dict[str, tuple[int, Knock]] = {
    "registration": (20, knock("POST", "/oauth2/register", json={})),
    "search token": (
        60,
        knock("GET", f"/tim-authenticate?mxId={SERVER_NAME}", headers={"X-Matrix-OpenID-Token": "made-up"}),
    ),
    "practice page": (30, knock("POST", "/praxis/anmelden", data={"code": "BCDFG-HJKLM"})),
    "patient page": (30, knock("GET", "/praxissuche/anmelden")),
    "way back": (30, knock("GET", "/praxissuche/angemeldet?state=x&loginToken=y")),
    "access token": (300, knock("POST", "/oauth2/token", data={"grant_type": "client_credentials"})),
}


@pytest.mark.parametrize("door", DOORS)
async def test_who_knocks_too_often_is_told_when_to_come_again_and_nobody_else_is(
    directory: Directory, door: str
) -> None:
    burst, send = DOORS[door]
    stranger, other = {"X-Forwarded-For": "192.0.2.7"}, {"X-Forwarded-For": "192.0.2.8"}
    answers = [await send(directory, stranger) for _ in range(burst + 20)]
    refused = [answer for answer in answers if answer.status == 429]
    assert refused, "nobody was refused"
    assert all(answer.status != 429 for answer in answers[:burst])
    assert all(1 <= int(answer.headers["Retry-After"]) <= 60 for answer in refused)
    assert (await send(directory, other)).status != 429, "another address is not concerned"


async def test_addresses_are_believed_of_proxies_alone_and_a_network_is_one_address(directory: Directory) -> None:
    burst, send = DOORS["practice page"]
    for number in range(burst + 5):
        last = await send(directory, {"X-Forwarded-For": f"2001:db8:1:2::{number:x}"})
    assert last.status == 429
    assert (await send(directory, {"X-Forwarded-For": "2001:db8:1:3::1"})).status != 429


async def test_while_strangers_knock_a_practice_gets_in(directory: Directory) -> None:
    key = await directory.practice_joins()
    for door in ("practice page", "access token"):
        burst, send = DOORS[door]
        for _ in range(burst + 5):
            last = await send(directory, {"X-Forwarded-For": "192.0.2.7"})
        assert last.status == 429
    visitor = Visitor(directory)
    status, text = await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
    assert (status, "Abmelden" in text) == (200, True)
    assert (await directory.as_practice(key, "PUT", "/owner/practice", PROFILE))[0] == 200


async def test_codes_for_one_practice_are_limited_and_those_of_another_are_not(directory: Directory) -> None:
    await directory.practice_joins()
    await directory.practice_joins("1-2001")
    body = {"user_id": f"@practice-{SOMMER[2:]}:{SERVER_NAME}"}
    asked = ("POST", "/practice-sign-in-codes", "practice:sign-in")
    statuses = [(await directory.as_homeserver(*asked, body))[0] for _ in range(14)]
    assert (statuses[:10], statuses[-1]) == ([200] * 10, 429)
    assert await code_for(directory, "1-2001")


async def test_nobody_is_asked_for_a_browser_that_did_not_begin_here(directory: Directory) -> None:
    """A cookie and a state that are equal are made up easily."""
    asked: list[str] = []
    made_up = SignInStates(generate_private_key()).issue(datetime.now(UTC))
    for state in ("x", f"x.{2**40}.{'0' * 64}", made_up, ".", "a.b"):
        visitor = Visitor(directory)
        visitor.cookies["__Host-hek-sign-in"] = state
        status, _ = await visitor.open("GET", f"/praxissuche/angemeldet?state={state}&loginToken=y")
        asked += [*directory.homeserver.devices]
        assert status == 400, state
    assert asked == []
    assert "Abmelden" in (await (await patient(directory)).open("GET", "/praxissuche"))[1]


def test_a_state_is_good_for_a_quarter_of_an_hour_in_every_process_of_the_same_key() -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    state = SignInStates(KEYS.signing).issue(now)
    assert SignInStates(KEYS.signing).is_own(state, now + STATE_LIFETIME - timedelta(seconds=1))
    assert not SignInStates(KEYS.signing).is_own(state, now + STATE_LIFETIME)
    assert not SignInStates(KEYS.stranger).is_own(state, now)


async def test_homeservers_calls_stand_at_their_own_listener_if_there_is_one(
    directory: Directory, tmp_path: Path
) -> None:
    port = reserve_port()
    values = settings_for(tmp_path, url=directory.url, homeserver=directory.homeserver.url, database="sqlite:///:m:")
    values |= {"database": f"sqlite:///{tmp_path}/own.db", "internal_listen": {"host": "127.0.0.1", "port": port}}
    settings = DirectorySettings.model_validate(values)
    async with open_application(settings) as app, TestServer(app) as outside:
        inside = TestServer(internal_of(app), port=port)
        async with inside:
            for path in ("/reachable", "/people-search", "/practice-sign-in-codes"):
                async with directory.http.request("POST", outside.make_url(path)) as answer:
                    assert answer.status == 404
            internal = Directory(
                settings.model_copy(update={"public_url": settings.url_for_homeservers}),
                directory.homeserver,
                directory.http,
            )
            status, answered = await internal.as_homeserver("GET", "/reachable", "reachability:read")
            assert (status, "delta" in answered) == (200, True)
            async with directory.http.get(f"{internal.url}/health") as answer:
                assert answer.status == 200
