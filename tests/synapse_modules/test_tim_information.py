"""I_TiMessengerInformation and ``/.well-known/matrix/support``, held to gematik's description."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import yaml

from tests.synapse_modules.federation import OTHER_IK, Federation
from tests.synapse_modules.homeserver_under_test import IK, Homeserver, SignedIn

DESCRIPTION = yaml.safe_load(
    (Path(__file__).parents[1] / "data/gematik/federation/TiMessengerInformation.yaml").read_text()
)
FIND, IS_INSURANCE = "/v1/server/findByIk", "/v1/server/isInsurance"


async def open_id(ours: Homeserver, who: SignedIn) -> str:
    _, answer = await ours.call(who, "POST", f"/user/{who.user_id}/openid/request_token", {})
    return str(answer["access_token"])


async def ask(
    ours: Homeserver, path: str, token: str | None, method: str = "GET", **query: str
) -> tuple[int, dict[str, Any]]:
    """An answer, checked against the description where that says what it is."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    address = f"{ours.base}/tim-information{path}"
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, address, params=query, headers=headers) as answer,
    ):
        status, content = answer.status, await answer.json()
    if path in DESCRIPTION["paths"] and method == "GET":
        described = DESCRIPTION["paths"][path]["get"]["responses"][str(status)]
        if "$ref" in described:
            described = DESCRIPTION["components"]["responses"][described["$ref"].rpartition("/")[2]]
        schema = described.get("content", {}).get("application/json", {}).get("schema", {})
        jsonschema.validate(content, schema | {"components": DESCRIPTION["components"]})
    return status, content


async def test_who_has_an_account_is_told_whose_server_is_whose(federation: Federation) -> None:
    ours = federation.ours
    token = await open_id(ours, await ours.new_person())
    assert (await ask(ours, "/", token))[1]["version"] == "1.0.0"
    assert await ask(ours, FIND, token, ikNumber=OTHER_IK) == (200, {"serverName": federation.insurer.server_name})
    assert await ask(ours, FIND, token, ikNumber=IK) == (200, {"serverName": ours.server_name})
    assert (await ask(ours, FIND, token, ikNumber="109500970"))[0] == 404
    for name, is_insurance in (
        (federation.insurer.server_name, True),
        (ours.server_name, True),
        (federation.hostile.server_name, False),
        (federation.stranger.server_name, False),
    ):
        assert await ask(ours, IS_INSURANCE, token, serverName=name) == (200, {"isInsurance": is_insurance})


@pytest.mark.parametrize(
    ("path", "query"),
    [(FIND, {}), (FIND, {"ikNumber": "12"}), (IS_INSURANCE, {}), (IS_INSURANCE, {"serverName": "a b"})],
)
async def test_a_bad_question_is_answered_with_400(federation: Federation, path: str, query: dict[str, str]) -> None:
    token = await open_id(federation.ours, await federation.ours.new_person())
    assert (await ask(federation.ours, path, token, **query))[0] == 400


@pytest.mark.parametrize("token", [None, "made-up"])
async def test_who_has_no_token_of_this_server_is_told_nothing(federation: Federation, token: str | None) -> None:
    assert (await ask(federation.ours, FIND, token, ikNumber=OTHER_IK))[0] == 401
    assert (await ask(federation.ours, "/", token))[0] == 403


async def test_an_access_token_is_no_openid_token_and_what_is_not_described_is_not_there(
    federation: Federation,
) -> None:
    person = await federation.ours.new_person()
    assert (await ask(federation.ours, FIND, person.access_token, ikNumber=OTHER_IK))[0] == 401
    token = await open_id(federation.ours, person)
    assert (await ask(federation.ours, "/v1/server", token))[0] == 404
    assert (await ask(federation.ours, FIND, token, method="POST"))[0] == 405


async def test_other_operators_find_whom_to_turn_to(federation: Federation) -> None:
    """A_26265; Synapse's own page beside it is still there."""
    async with aiohttp.ClientSession(federation.ours.base) as http:
        async with http.get("/.well-known/matrix/support") as answer:
            assert answer.status == 200
            contacts = (await answer.json())["contacts"]
            assert {contact["email_address"] for contact in contacts} == {"messenger@hek.example"}
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
        async with http.delete("/.well-known/matrix/support") as answer:
            assert answer.status == 405
        async with http.get("/.well-known/matrix/client") as answer:
            assert (await answer.json())["m.homeserver"]["base_url"]
