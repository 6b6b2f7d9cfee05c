"""The search box of a person's ordinary client, answered by the real directory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

if TYPE_CHECKING:
    from tests.system.conftest import Sandbox


@pytest.fixture
def erika(sandbox: Sandbox) -> dict[str, str]:
    return sandbox.sign_in("erika", "--device", "SEARCHING")


async def found(sandbox: Sandbox, who: dict[str, str], version: str, term: str) -> list[dict[str, Any]]:
    address = f"{sandbox.ready['homeserver']}/_matrix/client/{version}/user_directory/search"
    headers = {"Authorization": f"Bearer {who['access_token']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.post(address, json={"search_term": term}) as answer,
    ):
        assert answer.status == 200
        content = await answer.json()
    results: list[dict[str, Any]] = content["results"]
    return results


@pytest.mark.parametrize("version", ["v3", "r0"])
@pytest.mark.parametrize("term", ["hausarzt hamburg", "Sommer", "somer", "Allgemeinmedizin Hamburg"])
async def test_a_practice_is_found_by_what_people_type(
    sandbox: Sandbox, erika: dict[str, str], version: str, term: str
) -> None:
    practices = sandbox.ready["practices"]
    names = {result["user_id"]: result["display_name"] for result in await found(sandbox, erika, version, term)}
    assert "Hamburg" in names[practices["sommer"]["user_id"]]
    hidden = {practice["user_id"] for practice in practices.values() if not practice["opted_in"]}
    assert hidden
    assert not hidden & names.keys()


async def test_hek_is_found_and_no_insured_person_ever_is(sandbox: Sandbox, erika: dict[str, str]) -> None:
    jonas = sandbox.sign_in("jonas", "--device", "FOUND")
    assert sandbox.ready["support_user"] in {one["user_id"] for one in await found(sandbox, erika, "v3", "HEK")}
    for term in ("Jonas Beispiel", "Jonas", jonas["user_id"], "Erika"):
        users = {one["user_id"] for one in await found(sandbox, erika, "v3", term)}
        assert not users & {jonas["user_id"], erika["user_id"]}
