"""ETags: of two who change the same practice, the second learns it before anything is lost."""

from typing import Any

import pytest
from joserfc.jwk import ECKey

from messenger_core.service_auth.keys import generate_private_key, public_jwks
from tests.directory_service.bench import CONSENT, PROFILE, SOMMER, Directory

RENAMED = PROFILE | {"name": "Praxis Neu"}
OTHER_NAME = PROFILE | {"name": "Praxis Anders"}


async def etag(directory: Directory, key: ECKey) -> str:
    """What ``GET /owner/practice`` names as its version."""
    async with directory.client(SOMMER, key) as client:
        await client.answer("GET", "/owner/practice", scope="practice:write")
        headers = {"Authorization": f"Bearer {await client.access_token('practice:write')}"}
    async with directory.http.get(f"{directory.url}/owner/practice", headers=headers) as answer:
        return answer.headers["ETag"]


async def name(directory: Directory, key: ECKey) -> str:
    return str((await directory.as_practice(key, "GET", "/owner/practice"))[1]["name"])


async def write(directory: Directory, key: ECKey, profile: dict[str, Any], if_match: str | None) -> tuple[int, str]:
    status, answer = await directory.as_practice(key, "PUT", "/owner/practice", profile, if_match=if_match)
    return status, str(answer.get("title"))


async def test_who_read_the_present_version_may_change_it_once(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    read = await etag(directory, key)
    assert (await write(directory, key, RENAMED, read))[0] == 200
    assert await write(directory, key, OTHER_NAME, read) == (412, "changed since read")
    assert await name(directory, key) == "Praxis Neu"
    assert directory.homeserver.accounts[SOMMER]["display_name"] == "Praxis Neu"
    assert (await write(directory, key, OTHER_NAME, await etag(directory, key)))[0] == 200


async def test_a_profile_needs_the_version_that_was_read(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    assert await write(directory, key, RENAMED, None) == (428, "precondition required")
    assert (await write(directory, key, RENAMED, "*"))[0] == 200


@pytest.mark.parametrize("if_match", ["17", '"17', '*, "17"', "", "W/17"])
async def test_what_is_no_etag_is_refused(directory: Directory, if_match: str) -> None:
    key = await directory.practice_joins(opts_in=False)
    assert await write(directory, key, RENAMED, if_match) == (400, "invalid if match")


async def test_a_weak_etag_never_matches_and_of_a_list_any_does(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    read = await etag(directory, key)
    assert (await write(directory, key, RENAMED, f"W/{read}"))[0] == 412
    assert (await write(directory, key, RENAMED, f'"0", {read}'))[0] == 200


async def test_every_change_has_a_new_etag(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    seen = {await etag(directory, key)}
    for method, path, body in (
        ("PUT", "/owner/practice", PROFILE),
        ("PUT", "/owner/visibility", CONSENT),
        ("POST", "/owner/withdraw", {}),
    ):
        assert (await directory.as_practice(key, method, path, body))[0] == 200
        seen.add(await etag(directory, key))
    assert len(seen) == 4


async def test_visibility_and_withdrawal_heed_an_etag_but_do_not_need_one(directory: Directory) -> None:
    key = await directory.practice_joins(opts_in=False)
    for method, path, body in (("PUT", "/owner/visibility", CONSENT), ("POST", "/owner/withdraw", {})):
        status, answer = await directory.as_practice(key, method, path, body, if_match='"0"')
        assert (status, answer["title"]) == (412, "changed since read")
        assert (await directory.as_practice(key, method, path, body, if_match=None))[0] == 200


async def test_who_loses_a_race_leaves_nothing_behind_at_the_homeserver(directory: Directory) -> None:
    old, new = await directory.practice_joins(opts_in=False), generate_private_key()
    read = await etag(directory, old)

    async def replace_key() -> None:
        assert (await directory.register(directory.statement(SOMMER, new), new, "Praxis Zuletzt"))[0] == 201

    directory.homeserver.before_taking = replace_key
    assert await write(directory, old, RENAMED, read) == (412, "changed since read")
    account = directory.homeserver.accounts[SOMMER]
    assert (account["display_name"], account["jwks"]) == ("Praxis Zuletzt", public_jwks(new))
    assert await name(directory, new) == "Praxis Zuletzt"
