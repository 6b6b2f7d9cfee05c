"""The client of the homeserver's machine interface, against a loopback server that answers as the contract says."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bridge_bot.adapters.homeserver import HomeserverClient
from bridge_bot.use_cases.homeserver import Account
from messenger_core.account_changes import AccountChange
from messenger_core.account_kinds import AccountKind
from messenger_core.service_auth.client import CallFailed, ServiceClient
from messenger_core.service_auth.keys import generate_private_key

ERIKA = {
    "user_id": "@erika:x",
    "kind": "insured",
    "display_name": "Erika Mustermann",
    "kvnr": "A123456780",
    "shard": 0,
    "locked": False,
    "retention_months": 6,
}


@pytest.fixture
async def answers() -> dict[str, tuple[int, Any]]:
    return {}


@pytest.fixture
async def homeserver(answers: dict[str, tuple[int, Any]]) -> AsyncIterator[HomeserverClient]:
    async def token(_request: web.Request) -> web.Response:
        return web.json_response({"access_token": "t", "expires_in": 300})

    async def answer(request: web.Request) -> web.Response:
        status, body = answers[request.path.rpartition("/v1/")[2]]
        if request.query:
            body = body | {"next": int(request.query["since"]) + len(body["changes"])}
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_post("/token", token)
    app.router.add_route("*", "/_synapse/client/hek/v1/{call:.*}", answer)
    async with TestServer(app, host="127.0.0.1") as server:
        address = str(server.make_url("")).rstrip("/")
        async with ServiceClient(
            client_id="bot", key=generate_private_key(), base_url=address, token_endpoint=f"{address}/token"
        ) as client:
            yield HomeserverClient(client)


async def test_an_account_is_read_as_the_contract_says(
    homeserver: HomeserverClient, answers: dict[str, tuple[int, Any]]
) -> None:
    answers["insured/lookup"] = (200, ERIKA)
    assert await homeserver.account("@erika:x") == Account(AccountKind.INSURED, "Erika Mustermann", locked=False)


@pytest.mark.parametrize(
    ("status", "body", "is_unknown"),
    [
        (404, {"type": "urn:hek-messenger:problem:unknown-account"}, True),
        (404, {"errcode": "M_UNRECOGNIZED"}, False),
        (503, {"errcode": "M_UNKNOWN"}, False),
        (200, {"kind": "nobody"}, False),
        (200, [], False),
    ],
)
async def test_only_the_homeservers_own_word_makes_an_account_unknown(
    homeserver: HomeserverClient, answers: dict[str, tuple[int, Any]], status: int, body: Any, is_unknown: bool
) -> None:
    answers["insured/lookup"] = (status, body)
    if is_unknown:
        assert await homeserver.account("@x:x") is None
    else:
        with pytest.raises(CallFailed):
            await homeserver.account("@x:x")


async def test_changes_come_with_the_position_behind_them(
    homeserver: HomeserverClient, answers: dict[str, tuple[int, Any]]
) -> None:
    change = {"version": 8, "at": 1, "user_id": "@erika:x", "kind": "insured", "what": "locked"}
    answers["changes"] = (200, {"changes": [change], "next": 0})
    assert await homeserver.changes(7, 0) == ([AccountChange.model_validate(change)], 8)
