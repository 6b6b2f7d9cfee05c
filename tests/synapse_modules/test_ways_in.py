"""Every kind of account has one way in, and nobody gets a device past it."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from tests.synapse_modules.homeserver_under_test import OPERATOR, Homeserver, claims, new_kvnr

_PASSWORD = "correct horse battery staple"


async def admin_call(homeserver: Homeserver, method: str, path: str, body: object) -> tuple[int, Any]:
    operator = await homeserver.own_account(OPERATOR, "operator")
    headers = {"Authorization": f"Bearer {operator.access_token}"}
    address = f"{homeserver.base}/_synapse/admin{path}"
    async with aiohttp.ClientSession(headers=headers) as http, http.request(method, address, json=body) as answer:
        return answer.status, await answer.json()


async def test_the_only_ways_that_clients_are_told_are_the_sign_in_page_and_keys(homeserver: Homeserver) -> None:
    status, answer = await homeserver.call(None, "GET", "/login")
    assert status == 200
    types = {flow["type"] for flow in answer["flows"]}
    # Synapse names the one of application services always; there are none.
    assert types - {"m.login.application_service"} == {"m.login.sso", "m.login.token", "de.hek.login.private_key_jwt"}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/register?kind=guest", {}),
        ("/register", {"username": "x", "password": _PASSWORD, "auth": {"type": "m.login.dummy"}}),
        ("/register", {"type": "m.login.application_service", "username": "x"}),
        ("/login", {"type": "m.login.password", "password": _PASSWORD}),
        ("/login", {"type": "org.matrix.login.jwt", "token": "x.y.z"}),
        ("/login", {"type": "m.login.application_service"}),
        ("/login", {"type": "m.login.token", "token": "syl_invented"}),
    ],
)
async def test_ways_that_nobody_has_are_closed(homeserver: Homeserver, path: str, body: dict[str, Any]) -> None:
    person = await homeserver.new_person()
    named = body | {"identifier": {"type": "m.id.user", "user": person.user_id}}
    before = homeserver.count("users"), homeserver.count("access_tokens")
    status, answer = await homeserver.call(None, "POST", path, named)
    assert status in {400, 401, 403}
    assert answer["errcode"]
    assert (homeserver.count("users"), homeserver.count("access_tokens")) == before


async def test_a_device_cannot_let_another_device_in(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {person.access_token}"}) as http:
        for version in ("v1", "unstable/org.matrix.msc3882"):
            address = f"{homeserver.base}/_matrix/client/{version}/login/get_token"
            async with http.post(address, json={}) as answer:
                assert answer.status == 404


async def test_an_administrator_can_neither_sign_in_as_somebody_nor_give_her_a_password(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    status, answer = await admin_call(homeserver, "POST", f"/v1/users/{person.user_id}/login", {})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "als jemand anderes" in answer["error"]
    await admin_call(
        homeserver, "POST", f"/v1/reset_password/{person.user_id}", {"new_password": _PASSWORD, "logout_devices": False}
    )
    body = {"type": "m.login.password", "identifier": {"type": "m.id.user", "user": person.user_id}}
    status, _ = await homeserver.call(None, "POST", "/login", body | {"password": _PASSWORD})
    assert status in {400, 403}


async def test_an_administrator_makes_no_account_that_the_module_does_not_know(homeserver: Homeserver) -> None:
    before = homeserver.count("users")
    user_id = f"@made-by-hand-{secrets.token_hex(3)}:{homeserver.server_name}"
    status, _ = await admin_call(homeserver, "PUT", f"/v2/users/{user_id}", {"password": _PASSWORD})
    assert status >= 400
    assert homeserver.count("users") == before


async def test_an_account_without_a_kind_gets_no_device(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    token = await homeserver.login_token(claims(kvnr))
    homeserver.change_row("UPDATE hek_account SET kind = 'agent' WHERE user_id = ?", person.user_id)
    status, answer = await homeserver.call(None, "POST", "/login", {"type": "m.login.token", "token": token})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    token = await homeserver.login_token(claims(kvnr))
    homeserver.change_row("DELETE FROM hek_account WHERE user_id = ?", person.user_id)
    status, answer = await homeserver.call(None, "POST", "/login", {"type": "m.login.token", "token": token})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


def refused_start(homeserver: Homeserver, folder: Path, changed: dict[str, Any]) -> str:
    """What a homeserver says that does not start with changed settings."""
    settings = yaml.safe_load((homeserver.folder / "homeserver.yaml").read_text())
    settings |= changed | {"database": {"name": "sqlite3", "args": {"database": str(folder / "homeserver.db")}}}
    (folder / "homeserver.yaml").write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "synapse.app.homeserver", "-c", str(folder / "homeserver.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode != 0
    return done.stderr


@pytest.mark.parametrize(
    ("setting", "key"),
    [
        ({"registration_shared_secret": "not to be repeated"}, "registration_shared_secret"),
        ({"password_config": {"enabled": "only_for_reauth"}}, "password_config.enabled"),
    ],
)
def test_a_homeserver_with_another_way_in_does_not_start(
    homeserver: Homeserver, tmp_path: Path, setting: dict[str, Any], key: str
) -> None:
    said = refused_start(homeserver, tmp_path, setting)
    last = said.strip().splitlines()[-1]
    assert last.startswith(f"homeserver.yaml: {key}: ")
    assert "without GesundheitsID" in last
    assert "not to be repeated" not in said
