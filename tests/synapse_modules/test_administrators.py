"""Administrators are those of the settings: a call makes nobody one, and a row in Synapse's table gives no rights."""

from __future__ import annotations

from typing import Any

import aiohttp

from tests.synapse_modules.homeserver_under_test import OPERATOR, Homeserver, SignedIn


async def _call(
    homeserver: Homeserver, who: SignedIn, method: str, path: str, body: object = None
) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {who.access_token}"}
    address = f"{homeserver.url}/_synapse/admin{path}"
    async with aiohttp.ClientSession(headers=headers) as http, http.request(method, address, json=body) as answer:
        return answer.status, await answer.json()


async def test_nobody_else_is_made_one(homeserver: Homeserver) -> None:
    operator, person = await homeserver.own_account(OPERATOR, "operator"), await homeserver.new_person()
    for path, body in (("v1", "/admin"), ("v2", "")):
        status, answer = await _call(
            homeserver, operator, "PUT", f"/{path}/users/{person.user_id}{body}", {"admin": True}
        )
        assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
        assert "synapse_modules.yaml" in answer["error"]
    assert (await _call(homeserver, operator, "GET", f"/v2/users/{person.user_id}"))[0] == 200
    assert (await _call(homeserver, operator, "PUT", f"/v1/users/{person.user_id}/admin", {"admin": False}))[0] == 200


async def test_a_row_in_synapses_table_gives_no_rights(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    homeserver.change_row("UPDATE users SET admin = 1 WHERE name = ?", person.user_id)
    status, answer = await _call(homeserver, person, "GET", "/v2/users?limit=1")
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
