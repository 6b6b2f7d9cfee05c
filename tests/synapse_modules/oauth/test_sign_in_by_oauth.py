"""Sign-in by Matrix's OAuth API against a real Synapse, as Element X does it: from metadata to revocation."""

from __future__ import annotations

import aiohttp
import pytest

from tests.synapse_modules.homeserver_under_test import Homeserver, claims, new_kvnr
from tests.synapse_modules.oauth.phone_client import ELEMENT_X_ANDROID, PhoneClient
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers


@pytest.mark.parametrize(
    "path", ["/_matrix/client/v1/auth_metadata", "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata"]
)
async def test_metadata_name_every_endpoint(homeserver: Homeserver, path: str) -> None:
    async with aiohttp.ClientSession() as http, http.get(homeserver.base + path) as answer:
        content = await answer.json()
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "public, max-age=600"
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    at = f"{homeserver.base}/_synapse/client/sign_in"
    assert content["issuer"] == f"{homeserver.base}/"
    assert content["registration_endpoint"] == f"{at}/register"
    assert content["response_modes_supported"] == ["query", "fragment"]
    assert content["code_challenge_methods_supported"] == ["S256"]


async def test_a_person_signs_in_goes_on_and_signs_out(homeserver: Homeserver) -> None:
    phone = PhoneClient(homeserver)
    await phone.register()
    page = await phone.open_consent(claims(new_kvnr(), "Erika Muster"))
    assert "Erika Muster" in page.text
    assert "element.io" in page.text
    assert "App auf diesem Gerät" in page.text
    code = phone.read_answer(next(one for one in page.links if "code=" in one))["code"]
    status, content = await phone.ask_tokens(code)
    assert status == 200, content
    assert content["token_type"] == "Bearer"
    assert 800 < content["expires_in"] <= 900
    assert content["scope"].endswith(phone.device_id)
    person = await phone.who()
    assert person.device_id == phone.device_id
    _, device = await homeserver.call(person, "GET", f"/devices/{person.device_id}")
    assert device["display_name"] == "Element"
    first = phone.refresh_token
    assert (await phone.refresh())[0] == 200
    assert phone.refresh_token != first
    assert (await phone.whoami())[0] == 200
    assert await phone.revoke(phone.refresh_token) == (200, {})
    assert (await phone.whoami())[0] == 401
    assert phone.device_rows(person.user_id) == 0


async def test_an_agent_signs_in_with_the_staff_provider(homeserver: Homeserver) -> None:
    said = {"sub": "oauth.berg", "name": "Agentin Berg", "preferred_username": "oauth.berg"}
    agent = await PhoneClient(homeserver).sign_in(said, provider="staff")
    assert agent.user_id.startswith("@agent.oauth.berg:")


async def test_equal_registrations_have_one_id(homeserver: Homeserver) -> None:
    first, second = PhoneClient(homeserver), PhoneClient(homeserver)
    assert await first.register() == await second.register()
    other = PhoneClient(homeserver, ELEMENT_X_ANDROID | {"redirect_uris": ["io.element.android.debug:/"]})
    assert await other.register() != first.client_id


async def test_a_worker_tells_the_metadata_and_asks_to_try_again_for_the_rest(workers: HomeserverWithWorkers) -> None:
    worker = workers.views["worker1"]
    async with aiohttp.ClientSession(worker.url) as http:
        async with http.get("/_matrix/client/v1/auth_metadata") as answer:
            assert answer.status == 200
            assert (await answer.json())["token_endpoint"] == f"{workers.base}/_synapse/client/sign_in/token"
        async with http.post("/_synapse/client/sign_in/token", data={"grant_type": "refresh_token"}) as answer:
            assert answer.status == 503
            assert (await answer.json())["error"] == "temporarily_unavailable"
        async with http.get("/_synapse/client/sign_in/account") as answer:
            assert answer.status == 503
            assert "noch einmal" in await answer.text()
    assert (await PhoneClient(workers).sign_in(claims(new_kvnr()))).user_id
