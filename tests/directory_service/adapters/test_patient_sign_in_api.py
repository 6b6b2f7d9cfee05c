"""A patient's client signs in with a Matrix OpenID token; everything else is refused in gematik's shape."""

import asyncio
from typing import Any

from aiohttp.test_utils import TestServer

from directory_service.app import open_application
from tests.directory_service.bench import ERIKA, PAUSE, SERVER_NAME, SOMMER, Directory

ACCOUNT = f"@practice-{SOMMER[2:]}:messenger.example"


async def status_of(directory: Directory, path: str, token: str) -> int:
    """The status of a search with a token."""
    headers = {"Authorization": f"Bearer {token}"}
    async with directory.http.get(directory.url + path, headers=headers) as answer:
        return answer.status


async def test_a_confirmed_person_gets_a_search_token_for_a_day(directory: Directory) -> None:
    directory.homeserver.openid["good"] = ERIKA
    status, answer = await directory.authenticate(ERIKA, "good")
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 86400)
    assert set(answer) == {"access_token", "token_type", "expires_in"}


async def test_a_client_that_names_its_homeserver_alone_gets_one_too(directory: Directory) -> None:
    """As in gematik's HOWTO_Authenticate: ``mxId=matrix.dev.service-ti.de``."""
    directory.homeserver.openid["good"] = ERIKA
    status, answer = await directory.authenticate(SERVER_NAME, "good")
    assert status == 200
    assert await status_of(directory, "/fdv/search/HealthcareService", answer["access_token"]) == 200


REFUSED: list[tuple[str | None, str | None, int, str]] = [
    (None, "good", 400, "mxId"),
    ("erika", "good", 401, "mxId"),
    ("elsewhere.example", "elsewhere", 401, "mxId"),
    (SERVER_NAME, "elsewhere", 401, "X-Matrix-OpenID-Token"),
    (SERVER_NAME, None, 401, "X-Matrix-OpenID-Token"),
    ("@:messenger.example", "good", 400, "mxId"),
    ("messenger.example\u2028", "good", 400, "mxId"),
    ("@erika", "good", 400, "mxId"),
    (ERIKA, None, 401, "X-Matrix-OpenID-Token"),
    (ERIKA, "unknown", 401, "X-Matrix-OpenID-Token"),
    (ERIKA, "of-max", 401, "X-Matrix-OpenID-Token"),
    ("@erika:elsewhere.example", "elsewhere", 401, "mxId"),
    ("@Erika:messenger.example", "good", 401, "X-Matrix-OpenID-Token"),
]


async def test_nobody_else_gets_one(directory: Directory) -> None:
    directory.homeserver.openid |= {
        "good": ERIKA,
        "of-max": "@max:messenger.example",
        "elsewhere": "@erika:elsewhere.example",
    }
    for user_id, openid_token, status, attribute in REFUSED:
        given, answer = await directory.authenticate(user_id, openid_token)
        assert (given, set(answer)) == (status, {"message", "errors"}), user_id
        assert answer["errors"][0]["attributeName"] == attribute, user_id
        assert " / " in answer["message"]


async def test_a_practice_gets_a_token_for_the_practices_search_alone(directory: Directory) -> None:
    await directory.practice_joins()
    token = await directory.search_token(ACCOUNT)
    assert await status_of(directory, "/search/HealthcareService", token) == 200
    assert await status_of(directory, "/fdv/search/HealthcareService", token) == 401
    token = await directory.search_token(ERIKA)
    assert await status_of(directory, "/search/HealthcareService", token) == 401
    assert await status_of(directory, "/fdv/search/HealthcareService", token) == 200


async def test_a_practice_that_withdrew_gets_none(directory: Directory) -> None:
    key = await directory.practice_joins()
    assert (await directory.as_practice(key, "POST", "/owner/withdraw", {}))[0] == 200
    directory.homeserver.openid["practice"] = ACCOUNT
    assert (await directory.authenticate(ACCOUNT, "practice"))[0] == 403


async def test_a_locked_person_neither_signs_in_nor_searches_with_the_token_she_has(directory: Directory) -> None:
    token = await directory.search_token(ERIKA)
    for what, searching, signing_in in (("locked", 401, 403), ("undone", 200, 200)):
        directory.homeserver.changes.append((ERIKA, what))
        for _ in range(1000):
            if (status := await status_of(directory, "/fdv/search/HealthcareService", token)) == searching:
                break
            await asyncio.sleep(0.02)
        assert status == searching
        assert (await directory.authenticate(ERIKA, "openid-of-user"))[0] == signing_in


async def test_after_a_restart_nobody_searches_before_the_locks_are_known(directory: Directory) -> None:
    """With an old token too: who was locked since would not be known as such."""
    token = await directory.search_token(ERIKA)
    directory.homeserver.down = True
    async with open_application(directory.settings) as app, TestServer(app) as restarted:
        headers = {"Authorization": f"Bearer {token}"}

        async def answer() -> tuple[int, str | None, Any]:
            url = restarted.make_url("/fdv/search/HealthcareService")
            async with directory.http.get(url, headers=headers) as told:
                return told.status, told.headers.get("Retry-After"), await told.json(content_type=None)

        status, retry_after, outcome = await answer()
        assert (status, outcome["issue"][0]["code"]) == (503, "transient")
        assert retry_after is not None
        assert "weil Ihr Server nicht antwortet" in outcome["issue"][0]["diagnostics"]
        directory.homeserver.changes.append((ERIKA, "locked"))
        directory.homeserver.down = False
        for _ in range(1000):
            if (await answer())[0] != 503:
                break
            await asyncio.sleep(0.02)
        assert (await answer())[0] == 401


async def test_a_practice_that_withdraws_searches_no_more_with_the_token_it_has(directory: Directory) -> None:
    key = await directory.practice_joins()
    token = await directory.search_token(ACCOUNT)
    path = "/search/HealthcareService"
    assert (await directory.as_practice(key, "PUT", "/owner/visibility", PAUSE))[0] == 200
    assert await status_of(directory, path, token) == 200
    assert (await directory.as_practice(key, "POST", "/owner/withdraw", {}))[0] == 200
    assert await status_of(directory, path, token) == 401
    async with open_application(directory.settings) as app, TestServer(app) as restarted:
        for _ in range(1000):
            async with directory.http.get(
                restarted.make_url(path), headers={"Authorization": f"Bearer {token}"}
            ) as answer:
                if answer.status != 503:
                    break
            await asyncio.sleep(0.02)
        assert answer.status == 401
    await directory.practice_joins()
    assert await status_of(directory, path, token) == 401, "what was given out before is over for good"
    assert await status_of(directory, path, await directory.search_token(ACCOUNT)) == 200


async def test_a_silent_homeserver_is_no_refusal(directory: Directory) -> None:
    directory.homeserver.down = True
    status, answer = await directory.authenticate(ERIKA, "good")
    assert (status, "später" in answer["message"]) == (503, True)
