"""The homeserver's front: what a stranger tries there is counted against her, and her pages run nothing."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from urllib.parse import quote

import aiohttp
import pytest
from jinja2 import Environment, FileSystemLoader

from messenger_core.people_names import is_unshown
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from sandbox.own_addresses import from_own_address
from synapse_modules.front_wiring import TEMPLATES
from tests.security.raw_http import request_head
from tests.synapse_modules.homeserver_under_test import PREFIX, SUPPORT, Homeserver, claims, new_kvnr, new_telematik_id

_MOST_ATTEMPTS = 200


async def test_wrong_proofs_keep_nobody_out_but_their_sender(homeserver: Homeserver) -> None:
    key, stranger = homeserver.keys["bot"], secrets.token_hex(4)
    practice = await homeserver.new_practice("Praxis Ausgesperrt")
    for account, client_id, right in (
        (SUPPORT, "bot", key),
        (practice.user_id, practice.telematik_id, practice.key),
    ):
        statuses = []
        while 429 not in statuses:
            wrong = await homeserver.sign_in_with_key(account, client_id, generate_private_key(), source=stranger)
            statuses.append(wrong[0])
            assert len(statuses) < _MOST_ATTEMPTS
        assert set(statuses) == {403, 429}
        assert (await homeserver.sign_in_with_key(account, client_id, right))[0] == 200
        # Another account from the same address is not kept out either: software of many practices runs at one.
        other = await homeserver.new_practice("Praxis Nebenan")
        assert (await homeserver.sign_in_with_key(other.user_id, other.telematik_id, other.key, source=stranger))[
            0
        ] == 200


async def test_one_persons_invitations_do_not_use_up_anothers(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis Gefragt")
    pest, erika = await homeserver.new_person("Pest"), await homeserver.new_person()
    rooms = [(await homeserver.create_room(who, practice.user_id))[1]["room_id"] for who in (pest, pest, erika)]
    # An invitation is counted before it is looked at whether there is one already.
    first, _ = await homeserver.invite(pest, rooms[0], practice.user_id)
    assert first != 429
    for number in range(_MOST_ATTEMPTS):
        if (await homeserver.invite(pest, rooms[number % 2], practice.user_id))[0] == 429:
            break
    else:
        pytest.fail("one person may invite without an end")
    assert (await homeserver.invite(erika, rooms[2], practice.user_id))[0] == first


_SCRIPTS = ["javascript:alert(1)", "JavaScript:alert(1)", "data:text/html,<script>alert(1)</script>", "vbscript:x"]


@pytest.mark.parametrize(
    "address", [*_SCRIPTS, "blob:https://a.example/1", "file:///etc/passwd", "element:x", " javascript:x"]
)
@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/v3/login/sso/redirect?redirectUrl=",
        "/_matrix/client/v3/login/sso/redirect/oidc-gesundheitsid?redirectUrl=",
        "/_matrix/client/r0/login/sso/redirect?redirectUrl=",
        "/_synapse/client/pick_idp?redirectUrl=",
    ],
)
async def test_a_sign_in_never_leads_to_a_script(homeserver: Homeserver, path: str, address: str) -> None:
    status, page = await homeserver.get_page(path + quote(address, safe=""))
    assert status == 400
    assert all("script" not in link for link in page.links)


@pytest.mark.parametrize("address", ["https://client.example/app", "im.fluffychat://login", "element://connect"])
async def test_a_sign_in_leads_to_clients(homeserver: Homeserver, address: str) -> None:
    homeserver.provider.claims = claims(new_kvnr())
    path = "/_matrix/client/v3/login/sso/redirect?redirectUrl="
    status, page = await homeserver.get_page(path + quote(address, safe=""))
    assert status == 200
    assert len(page.links) == 2


async def _policy(homeserver: Homeserver, path: str) -> str:
    async with aiohttp.ClientSession() as http, http.get(homeserver.base + path) as answer:
        return answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path",
    [
        "/_matrix/client/v3/login/sso/redirect?redirectUrl=https://client.example",
        "/_synapse/client/oidc/callback?state=x",
        "/_matrix/consent?v=1.0",
        "/_synapse/client/new_user_consent",
        "/_matrix/static/client/login/",
    ],
)
async def test_every_page_has_a_policy_without_scripts(homeserver: Homeserver, path: str) -> None:
    policy = await _policy(homeserver, path)
    assert "script-src 'none'" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy


async def _log_out(homeserver: Homeserver, token: str) -> int:
    address = f"{homeserver.base}/_synapse/client/oidc/backchannel_logout"
    async with (
        aiohttp.ClientSession(connector=from_own_address(secrets.token_hex(4))) as http,
        http.post(address, data={"logout_token": token}) as answer,
    ):
        return answer.status


def _unsigned(payload: str) -> str:
    return f"e30.{base64.urlsafe_b64encode(payload.encode()).decode().rstrip('=')}.AAAA"


async def test_a_logout_token_of_a_strangers_is_refused(homeserver: Homeserver) -> None:
    said = {"iss": homeserver.provider.issuer("gesundheitsid"), "aud": "homeserver", "sid": "x"}
    tokens = [sign_statement(generate_private_key(), said) for _ in range(3)]
    tokens += [
        _unsigned(json.dumps(said)),
        _unsigned("[" * 9000),
        _unsigned("{}"),
        _unsigned("[]"),
        "a.b.c",
        "ä.ö.ü",
        "",
    ]
    log = homeserver.folder / "homeserver.log"
    before = log.read_text().count("Traceback")
    assert [await _log_out(homeserver, token) for token in tokens] == [400] * len(tokens)
    assert log.read_text().count("Traceback") == before


_POSES = ["HEK", "HEK Service", "\u041dEK", "H\u3164EK", "Praxis \u202eKopf", "Praxis\u115f"]


@pytest.mark.parametrize("name", _POSES[:4])
async def test_no_practice_is_called_as_the_house(homeserver: Homeserver, name: str) -> None:
    body = {
        "telematik_id": new_telematik_id(),
        "display_name": name,
        "jwks": public_jwks(generate_private_key()),
        "active": True,
    }
    assert (await homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", body))[0] == 400
    called = body | {"display_name": "Praxis Hekla"}
    assert (await homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", called))[0] == 200
    # It keeps no practice open.
    closed = body | {"active": False}
    assert (await homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", closed))[0] == 200


@pytest.mark.parametrize("name", _POSES)
async def test_nothing_unseen_stands_in_the_name_of_a_device_or_of_an_agent(homeserver: Homeserver, name: str) -> None:
    person = await homeserver.new_person()
    path = f"/devices/{person.device_id}"
    assert (await homeserver.call(person, "PUT", path, {"display_name": f"Phone {name}"}))[0] == 200
    _, device = await homeserver.call(person, "GET", path)
    assert device["display_name"].startswith("Phone")
    assert not any(map(is_unshown, device["display_name"]))
    username = f"a{secrets.token_hex(4)}"
    said = {"sub": username, "name": f"Agentin {name}", "preferred_username": username}
    agent = await homeserver.sign_in(said, provider="staff")
    _, profile = await homeserver.call(agent, "GET", f"/profile/{quote(agent.user_id)}")
    assert profile["displayname"].startswith("Agentin")
    assert not any(map(is_unshown, profile["displayname"]))


async def test_whoever_hangs_up_is_no_error(homeserver: Homeserver) -> None:
    log = homeserver.folder / "homeserver.log"
    before = log.read_text()
    _, answer = await homeserver.machine("bot", "account:events", "GET", "/v1/changes", query={"since": 0, "wait": 0})
    query: dict[str, str | int] = {"since": answer["next"], "wait": 2}
    polls = [
        asyncio.create_task(homeserver.machine("bot", "account:events", "GET", "/v1/changes", query=query))
        for _ in range(3)
    ]
    await asyncio.sleep(1)
    for poll in polls:
        poll.cancel()
    await asyncio.gather(*polls, return_exceptions=True)
    for path in ("/_matrix/client/v3/login", f"{PREFIX}/oauth2/token", f"{PREFIX}/v1/insured/lookup"):
        for body in (b"{}", b"{"):
            _, writer = await asyncio.open_connection("127.0.0.1", int(homeserver.base.rpartition(":")[2]))
            writer.write(request_head("POST", homeserver.base + path, {"Content-Length": "2"}) + body)
            await writer.drain()
            writer.transport.abort()
    await homeserver.new_practice("Praxis Danach")
    assert (await homeserver.machine("bot", "account:events", "GET", "/v1/changes", query=query))[0] == 200
    said = log.read_text().removeprefix(before)
    assert " ERROR " not in said
    assert "Traceback" not in said


@pytest.mark.parametrize("path", ["/_synapse/client/pick_idp?redirectUrl=javascript:x", "/_matrix/consent?v=none"])
async def test_what_fails_is_told_on_a_page_of_ours(homeserver: Homeserver, path: str) -> None:
    status, page = await homeserver.get_page(path)
    assert 400 <= status < 500
    assert "Das hat nicht geklappt" in page.text
    assert f"error code: {status}" in page.text
    assert "script-src 'none'" in await _policy(homeserver, path)


@pytest.mark.parametrize("code", [400, 404, 500, 503])
def test_a_fault_of_ours_is_not_blamed_on_people(code: int) -> None:
    pages = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    page = pages.get_template("hek_error.html").render(code=code, msg="<script>x</script>")
    assert ("es liegt nicht an Ihnen" in page) is (code >= 500)
    assert "<script>" not in page
