"""The description of the OAuth API: what it says is what the homeserver answers, and every endpoint is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import aiohttp
import jsonschema
import pytest
import schemathesis
import yaml

from tests.synapse_modules.homeserver_under_test import Homeserver, claims, new_kvnr
from tests.synapse_modules.oauth.phone_client import PhoneClient
from tests.synapse_modules.session_to_lock import lock

DESCRIPTION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "docs/openapi/oauth.yaml").read_text(encoding="utf-8")
)


def test_the_description_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DESCRIPTION).validate()


def _check(answer: Any, schema: str) -> None:
    jsonschema.validate(answer, DESCRIPTION["components"]["schemas"][schema])


async def _metadata(homeserver: Homeserver) -> Any:
    address = f"{homeserver.base}/_matrix/client/v1/auth_metadata"
    async with aiohttp.ClientSession() as http, http.get(address) as answer:
        return await answer.json()


async def test_the_metadata_name_what_is_described(homeserver: Homeserver) -> None:
    said = await _metadata(homeserver)
    _check(said, "Metadata")
    named = {value.removeprefix(homeserver.base) for key, value in said.items() if key.endswith("_endpoint")}
    assert named <= DESCRIPTION["paths"].keys()


@pytest.mark.parametrize("path", [path for path in DESCRIPTION["paths"] if "sign_in" in path])
async def test_every_path_is_there_with_its_method_alone(homeserver: Homeserver, path: str) -> None:
    methods = {method.upper() for method in DESCRIPTION["paths"][path]}
    async with aiohttp.ClientSession() as http:
        for method in ("GET", "POST", "PUT", "DELETE"):
            async with http.request(method, homeserver.base + path) as answer:
                assert (answer.status == 405) is (method not in methods)
                if answer.status == 405:
                    assert set(answer.headers["Allow"].split(", ")) == methods


async def test_answers_are_as_described(homeserver: Homeserver) -> None:
    phone, kvnr = PhoneClient(homeserver), new_kvnr()
    status, registered = await phone.post("/register", json=phone.registration)
    assert status == 201
    _check(registered, "Registered")
    phone.client_id = registered["client_id"]
    answers = [await phone.ask_tokens(await phone.get_code(claims(kvnr))), await phone.refresh()]
    for status, tokens in answers:
        assert status == 200
        _check(tokens, "Tokens")
    await lock(homeserver, kvnr)
    for told, wanted in (
        (await phone.refresh(), 503),
        (await phone.refresh(refresh_token="x"), 400),
        (await phone.post("/register", json={}), 400),
        (await phone.post("/revoke", data={}), 400),
    ):
        assert told[0] == wanted
        _check(told[1], "Error")
