"""Administrators are those of the settings: a call makes nobody one, and a row in Synapse's table gives no rights."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import aiohttp

from tests.synapse_modules.homeserver_under_test import OPERATOR, SUPPORT, Homeserver, SignedIn


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


async def test_an_agent_who_is_locked_or_deactivated_is_in_no_team(homeserver: Homeserver) -> None:
    bot, operator = await homeserver.own_account(SUPPORT, "bot"), await homeserver.own_account(OPERATOR, "operator")
    _, made = await homeserver.create_room(bot, room_alias_name=f"team-{bot.device_id}-locked")
    for name, change in (("to-be-locked", {"locked": True}), ("to-be-deactivated", {"deactivated": True})):
        agent = await homeserver.new_agent(name)
        assert (await homeserver.invite(bot, made["room_id"], agent.user_id))[0] == 200
        assert (await homeserver.call(agent, "POST", f"/rooms/{quote(made['room_id'])}/leave", {}))[0] == 200
        status, answer = await _call(homeserver, operator, "PUT", f"/v2/users/{agent.user_id}", change)
        assert status == 200, answer
        assert (await homeserver.invite(bot, made["room_id"], agent.user_id))[0] == 403
