"""The machine API's frame against a real Synapse: tokens, scopes, paths, queries; and the calls about accounts."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import make_assertion, sign_statement
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE
from tests.synapse_modules.homeserver_under_test import PREFIX, SUPPORT, Homeserver, claims, new_kvnr, new_telematik_id


async def ask_for_token(homeserver: Homeserver, assertion: str, scope: str) -> tuple[int, dict[str, Any]]:
    form = {
        "grant_type": GRANT_TYPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
        "scope": scope,
    }
    address = f"{homeserver.base}{PREFIX}/oauth2/token"
    async with aiohttp.ClientSession() as http, http.post(address, data=form) as answer:
        return answer.status, await answer.json()


async def raw(
    homeserver: Homeserver, method: str, path: str, token: str = "", data: bytes = b""
) -> tuple[int, str, str]:
    headers, address = {"Authorization": f"Bearer {token}"} if token else {}, homeserver.base + PREFIX + path
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, address, data=data or None) as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.text()


def assertion_of(homeserver: Homeserver, client_id: str) -> str:
    endpoint = f"{homeserver.base}{PREFIX}/oauth2/token"
    return make_assertion(homeserver.keys[client_id], client_id=client_id, audience=endpoint, now=datetime.now(UTC))


async def test_an_assertion_gives_one_token_of_an_allowed_scope(homeserver: Homeserver) -> None:
    assertion = assertion_of(homeserver, "bot")
    assert (await ask_for_token(homeserver, assertion, "membership:write"))[1]["error"] == "invalid_scope"
    status, answer = await ask_for_token(homeserver, assertion, "insured:read")
    assert (status, answer["expires_in"], answer["scope"]) == (200, 300, "insured:read")
    status, answer = await ask_for_token(homeserver, assertion, "insured:read")
    assert (status, answer["error"]) == (401, "invalid_client")


async def test_a_token_serves_its_scope_alone(homeserver: Homeserver) -> None:
    _, answer = await ask_for_token(homeserver, assertion_of(homeserver, "bot"), "account:events")
    token = answer["access_token"]
    assert (await raw(homeserver, "GET", "/v1/changes", token))[0] == 200
    status, content_type, _ = await raw(homeserver, "POST", "/v1/insured/lookup", token, b"{}")
    assert (status, content_type) == (403, "application/problem+json")
    for broken in ("", "nonsense", token[:-4] + "AAAA"):
        assert (await raw(homeserver, "GET", "/v1/changes", broken))[0] == 401


def _statement(homeserver: Homeserver, **changed: Any) -> str:
    now = int(datetime.now(UTC).timestamp())
    claims = {
        "iss": "bot",
        "sub": "bot",
        "aud": f"{homeserver.base}{PREFIX}/oauth2/token",
        "iat": now,
        "exp": now + 60,
        "jti": secrets.token_urlsafe(16),
    }
    return sign_statement(homeserver.keys["bot"], claims | changed)


@pytest.mark.parametrize(
    ("status", "error", "kind", "changed"),
    [
        (401, "invalid_client", "assertion-expired", {"iat": 1_000, "exp": 1_060}),
        (401, "invalid_client", "assertion-invalid", {"exp": 2**40}),
        (401, "invalid_client", "assertion-invalid", {"aud": "https://elsewhere.example"}),
        (401, "invalid_client", "assertion-invalid", {"sub": "retention"}),
        (401, "invalid_client", "assertion-invalid", {"iss": "nobody", "sub": "nobody"}),
        (401, "invalid_client", "assertion-invalid", {"iss": "retention", "sub": "retention"}),
        (401, "invalid_client", "assertion-invalid", {"jti": ""}),
    ],
)
async def test_each_faulty_assertion_is_refused_with_its_type(
    homeserver: Homeserver, status: int, error: str, kind: str, changed: dict[str, Any]
) -> None:
    found, answer = await ask_for_token(homeserver, _statement(homeserver, **changed), "insured:read")
    assert (found, answer["error"], answer["type"]) == (status, error, f"urn:hek-messenger:problem:{kind}")


async def test_a_replayed_assertion_and_a_foreign_scope_have_types_of_their_own(homeserver: Homeserver) -> None:
    assertion = _statement(homeserver)
    status, answer = await ask_for_token(homeserver, assertion, "membership:write")
    assert (status, answer["type"]) == (400, "urn:hek-messenger:problem:invalid-scope")
    assert (await ask_for_token(homeserver, assertion, "insured:read"))[0] == 200
    status, answer = await ask_for_token(homeserver, assertion, "insured:read")
    assert (status, answer["type"]) == (401, "urn:hek-messenger:problem:assertion-replayed")


async def test_each_faulty_access_token_is_refused_with_its_type(homeserver: Homeserver) -> None:
    now = int(datetime.now(UTC).timestamp())
    claims = {"iss": homeserver.base, "aud": homeserver.base, "sub": "bot", "scope": "account:events", "jti": "1"}

    def token(key: ECKey, issued: int, **changed: Any) -> str:
        times = {"iat": issued, "exp": issued + 300}
        return sign_statement(key, claims | times | changed, token_type="at+jwt")

    own = homeserver.keys["homeserver-signing"]
    for given, status, kind in (
        (token(own, now), 200, None),
        (token(own, now - 1000), 401, "token-expired"),
        (token(generate_private_key(), now), 401, "invalid-token"),
        (token(own, now, scope="insured:read"), 403, "insufficient-scope"),
        ("", 401, "token-missing"),
    ):
        found, content_type, text = await raw(homeserver, "GET", "/v1/changes", given)
        assert found == status, text
        if kind is not None:
            assert content_type == "application/problem+json"
            assert json.loads(text)["type"] == f"urn:hek-messenger:problem:{kind}"


async def test_unknown_paths_and_methods_are_problems(homeserver: Homeserver) -> None:
    for path in ("/v1/nothing", "", "/v1/changes/", "/v2/changes"):
        status, content_type, _ = await raw(homeserver, "GET", path)
        assert (status, content_type) == (404, "application/problem+json")
    assert (await raw(homeserver, "DELETE", "/v1/changes"))[0] == 405
    assert (await raw(homeserver, "GET", "/oauth2/token"))[0] == 405
    assert (await raw(homeserver, "GET", "/health"))[0] == 200


@pytest.mark.parametrize(
    "query", ["since=x", "wait=31", "wait=-1", "until=1", "since=1&since=2", "since=1.5", "since=99999999999999999999"]
)
async def test_faulty_queries_are_refused(homeserver: Homeserver, query: str) -> None:
    _, answer = await ask_for_token(homeserver, assertion_of(homeserver, "bot"), "account:events")
    status, _, text = await raw(homeserver, "GET", f"/v1/changes?{query}", answer["access_token"])
    assert (status, "invalid-query" in text) == (400, True)


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b"\xff\xfe", b'{"user_id": ', b'{"user_id": null}'])
async def test_bodies_that_are_no_such_json_are_refused(homeserver: Homeserver, body: bytes) -> None:
    _, answer = await ask_for_token(homeserver, assertion_of(homeserver, "bot"), "insured:read")
    assert (await raw(homeserver, "POST", "/v1/insured/lookup", answer["access_token"], body))[0] == 400


async def test_the_bot_learns_who_a_person_is_and_the_kvnr_of_nobody_else(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr, "Erika Muster"))
    practice = await homeserver.new_practice("Praxis", opts_in=False)

    async def lookup(user_id: str) -> tuple[int, Any]:
        return await homeserver.machine("bot", "insured:read", "POST", "/v1/insured/lookup", {"user_id": user_id})

    assert await lookup(person.user_id) == (
        200,
        {
            "user_id": person.user_id,
            "kind": "insured",
            "display_name": "Erika Muster",
            "kvnr": kvnr,
            "shard": 0,
            "locked": False,
            "retention_months": 6,
            "membership_ends_on": None,
        },
    )
    for user_id, kind in ((practice.user_id, "practice"), (SUPPORT, "service")):
        _, found = await lookup(user_id)
        assert (found["kind"], found["kvnr"], found["retention_months"]) == (kind, None, None)
    status, answer = await lookup("@nobody:hek.test")
    assert (status, answer["type"]) == (404, "urn:hek-messenger:problem:unknown-account")


async def test_a_person_chooses_her_period(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()

    async def put(user_id: str, months: object) -> tuple[int, Any]:
        body = {"user_id": user_id, "months": months}
        return await homeserver.machine("retention", "retention:act", "PUT", "/v1/insured/retention", body)

    for months in (12, None, 120):
        assert await put(person.user_id, months) == (200, {"user_id": person.user_id, "months": months})
        query = "SELECT retention_months FROM hek_account WHERE user_id = ?"
        assert homeserver.rows(query, person.user_id) == [(months,)]
    for faulty in (0, 121, "6", True):
        assert (await put(person.user_id, faulty))[0] == 400
    assert (await put(SUPPORT, 6))[0] == 404


async def test_changes_are_waited_for_and_never_skipped(homeserver: Homeserver) -> None:
    async def changes(since: int, wait: int) -> dict[str, Any]:
        query: dict[str, str | int] = {"since": since, "wait": wait}
        status, answer = await homeserver.machine("bot", "account:events", "GET", "/v1/changes", query=query)
        assert status == 200
        return dict(answer)

    newest = homeserver.rows("SELECT MAX(version) FROM hek_change")[0][0]
    assert await changes(newest, 0) == {"changes": [], "next": newest}
    waiting = asyncio.create_task(changes(newest, 20))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    started = time.monotonic()
    person = await homeserver.new_person()
    answer = await waiting
    assert time.monotonic() - started < 10
    [change] = answer["changes"]
    assert (change["user_id"], change["kind"], change["what"]) == (person.user_id, "insured", "account-made")
    assert answer["next"] == change["version"] == newest + 1


async def test_a_practice_has_one_account_however_often_it_is_put(homeserver: Homeserver) -> None:
    body = {
        "telematik_id": new_telematik_id(),
        "display_name": "Praxis",
        "jwks": public_jwks(generate_private_key()),
        "active": True,
    }
    answers = await asyncio.gather(
        *(homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", body) for _ in range(3)),
    )
    assert [status for status, _ in answers] == [200, 200, 200]
    _, again = await homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", body)
    rows = homeserver.rows("SELECT user_id FROM hek_account WHERE telematik_id = ?", body["telematik_id"])
    assert rows == [(again["user_id"],)]
    assert again["user_id"].startswith("@praxis-")
    wrong: tuple[dict[str, Any], ...] = (
        {"telematik_id": "nonsense"},
        {"display_name": " "},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [generate_private_key().as_dict(private=True)]}},
        {"active": "yes"},
    )
    for faulty in wrong:
        status, _ = await homeserver.machine("directory", "practice:provision", "PUT", "/v1/practices", body | faulty)
        assert status == 400, faulty


async def test_locks_that_were_interrupted_are_applied_at_the_next_start(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    homeserver.stop()
    homeserver.change_row("UPDATE hek_account SET state = 'locked' WHERE user_id = ?", person.user_id)
    homeserver.start()
    query = "SELECT locked FROM users WHERE name = ?"
    await homeserver.until(lambda: homeserver.rows(query, person.user_id) == [(1,)])
    assert (await homeserver.call(person, "GET", "/account/whoami"))[0] == 401
