"""Joining over HTTP: a statement binds one key to one practice, once."""

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from tests.directory_service.bench import KEYS, SOMMER, VERIFIER, WINTER, Directory, messenger

KEY, OTHER_KEY = generate_private_key(), generate_private_key()


def seconds_from_now(seconds: int) -> int:
    return int(datetime.now(UTC).timestamp()) + seconds


async def test_a_practice_joins_gets_an_account_and_can_sign_in(directory: Directory) -> None:
    status, answer = await directory.register(directory.statement(SOMMER, KEY), KEY)
    account = f"@practice-{SOMMER[2:]}:messenger.example"
    assert (status, answer) == (201, {"client_id": SOMMER, "user_id": account})
    assert directory.homeserver.accounts[SOMMER] == {
        "telematik_id": SOMMER,
        "display_name": "Praxis Dr. Sommer",
        "jwks": public_jwks(KEY),
        "active": True,
    }
    status, own = await directory.as_practice(KEY, "GET", "/owner/practice")
    assert status == 200
    assert own == {
        "telematik_id": SOMMER,
        "user_id": account,
        "state": "verified",
        "consent": None,
        "found_by_practices": False,
        "found_by_insured": False,
        "name": "Praxis Dr. Sommer",
        "specialties": [],
        "address": None,
        "languages": [],
        "accessibility": [],
        "opening_hours": None,
        "absence": None,
        "messengers": [messenger(account)],
        "hide_from_insured": False,
    }


def faulty_claims() -> list[tuple[dict[str, Any], str]]:
    """Made when they are needed: they speak of the present moment."""
    return [
        ({"iss": "https://somebody.example"}, "not a verifier"),
        ({"iss": None}, "issuer"),
        ({"aud": "https://elsewhere.example"}, "audience"),
        ({"aud": None}, "audience"),
        ({"sub": "no telematik id"}, "Telematik-ID"),
        ({"sub": None}, "subject"),
        ({"cnf": {"jkt": OTHER_KEY.thumbprint()}}, "another key"),
        ({"cnf": {}}, "another key"),
        ({"cnf": "x"}, "another key"),
        ({"cnf": None}, "another key"),
        ({"jti": None}, "jti"),
        ({"jti": ""}, "jti"),
        ({"jti": "a\x00b"}, "jti"),
        ({"iat": seconds_from_now(-700), "exp": seconds_from_now(-200)}, "expired"),
        ({"iat": seconds_from_now(300), "exp": seconds_from_now(500)}, "future"),
        ({"exp": seconds_from_now(700)}, "longer than 600"),
        ({"exp": None}, "exp"),
    ]


async def test_a_faulty_statement_is_refused_with_the_reason(directory: Directory) -> None:
    for claims, reason in faulty_claims():
        status, answer = await directory.register(directory.statement(SOMMER, KEY, **claims), KEY)
        assert (status, answer["type"]) == (400, "urn:hek-messenger:problem:invalid-software-statement"), claims
        assert reason in answer["detail"], claims
    assert directory.homeserver.accounts == {}


async def test_a_statement_of_a_stranger_is_refused(directory: Directory) -> None:
    status, answer = await directory.register(directory.statement(SOMMER, KEY, signed_by=KEYS.stranger), KEY)
    assert (status, "signature" in answer["detail"]) == (400, True)
    assert directory.homeserver.accounts == {}


NO_STATEMENTS: list[str] = ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."]


async def test_what_is_no_statement_is_refused(directory: Directory) -> None:
    for statement in NO_STATEMENTS:
        status, answer = await directory.register(statement, KEY)
        assert (status, answer["title"]) == (400, "invalid software statement"), statement


FAULTY_FIELDS: list[tuple[str, Any, str]] = [
    ("client_name", "", "client_name"),
    ("client_name", "Praxis\u202e", "client_name"),
    ("client_name", 5, "client_name"),
    ("jwks", {}, "jwks"),
    ("jwks", {"keys": []}, "jwks"),
    ("jwks", {"keys": [KEY.as_dict(private=True)]}, "jwks"),
    ("jwks", public_jwks(KEY, OTHER_KEY), "jwks"),
    ("software_statement", None, "software_statement"),
    ("logo_uri", "https://x.example", "logo_uri"),
]


async def test_a_faulty_field_is_named(directory: Directory) -> None:
    for field, value, named in FAULTY_FIELDS:
        fields: dict[str, Any] = {field: value}
        status, answer = await directory.register(directory.statement(SOMMER, KEY), KEY, **fields)
        assert (status, [error["field"] for error in answer["errors"]]) == (400, [named]), field
    assert directory.homeserver.accounts == {}


async def test_a_statement_that_was_used_never_reaches_the_homeserver_again(directory: Directory) -> None:
    statement = directory.statement(SOMMER, KEY)
    assert (await directory.register(statement, KEY))[0] == 201
    directory.homeserver.accounts.clear()
    status, answer = await directory.register(statement, KEY, "Anderer Name")
    assert (status, "used before" in answer["detail"]) == (400, True)
    assert directory.homeserver.accounts == {}


async def test_of_many_uses_at_once_one_is_accepted(directory: Directory) -> None:
    statement = directory.statement(SOMMER, KEY)
    answers = await asyncio.gather(*(directory.register(statement, KEY) for _ in range(4)))
    assert sorted(status for status, _ in answers) == [201, 400, 400, 400]


async def test_while_the_homeserver_is_down_nothing_is_half_done_and_the_statement_stays_usable(
    directory: Directory,
) -> None:
    statement = directory.statement(SOMMER, KEY)
    directory.homeserver.down = True
    status, answer = await directory.register(statement, KEY)
    assert (status, answer["title"]) == (503, "homeserver unavailable")
    with pytest.raises(CallFailed, match="invalid_client"):
        await directory.as_practice(KEY, "GET", "/owner/practice")
    directory.homeserver.down = False
    assert (await directory.register(statement, KEY))[0] == 201


async def test_joining_again_replaces_the_key_and_keeps_the_state(directory: Directory) -> None:
    old = await directory.practice_joins()
    status, _ = await directory.register(directory.statement(SOMMER, OTHER_KEY), OTHER_KEY, "Hausarztpraxis Neu")
    assert status == 201
    status, own = await directory.as_practice(OTHER_KEY, "GET", "/owner/practice")
    assert (status, own["state"], own["name"]) == (200, "opted-in", "Hausarztpraxis Neu")
    with pytest.raises(CallFailed, match="invalid_client"):
        await directory.as_practice(old, "GET", "/owner/practice")
    assert await directory.found("neu hamburg") == ["Hausarztpraxis Neu – Allgemeinmedizin, Hamburg"]


async def test_an_unexpected_account_is_refused(directory: Directory) -> None:
    await directory.practice_joins()
    directory.homeserver.user_ids[WINTER] = f"@practice-{SOMMER[2:]}:messenger.example"
    status, answer = await directory.register(directory.statement(WINTER, KEY), KEY)
    assert (status, answer["title"]) == (502, "account differs")


async def test_an_access_token_of_a_verifier_or_stranger_does_not_exist(directory: Directory) -> None:
    for client_id in (VERIFIER, "stranger", "1-\x00", WINTER):
        async with directory.client(client_id, KEYS.stranger) as client:
            with pytest.raises(CallFailed, match="invalid_client"):
                await client.call("GET", "/owner/practice", scope="practice:write")
