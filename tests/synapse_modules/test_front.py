"""The homeserver's front: what a stranger tries there is counted against her, and her pages run nothing."""

from __future__ import annotations

import base64
import json
import secrets
from urllib.parse import quote

import aiohttp
import pytest

from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import generate_private_key
from sandbox.own_addresses import from_own_address
from tests.synapse_modules.homeserver_under_test import SUPPORT, Homeserver, claims, new_kvnr

_ATTEMPTS = 12


async def test_wrong_proofs_keep_nobody_out_but_their_sender(homeserver: Homeserver) -> None:
    key, stranger = homeserver.keys["bot"], secrets.token_hex(4)
    practice = await homeserver.new_practice("Praxis Ausgesperrt")
    for account, client_id, right in (
        (SUPPORT, "bot", key),
        (practice.user_id, practice.telematik_id, practice.key),
    ):
        statuses = [
            (await homeserver.sign_in_with_key(account, client_id, generate_private_key(), source=stranger))[0]
            for _ in range(_ATTEMPTS)
        ]
        assert statuses[0] == 403
        assert statuses[-1] == 429
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
    statuses = [(await homeserver.invite(pest, rooms[number % 2], practice.user_id))[0] for number in range(30)]
    assert statuses[0] != 429
    assert statuses[-1] == 429
    assert (await homeserver.invite(erika, rooms[2], practice.user_id))[0] == statuses[0]


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
