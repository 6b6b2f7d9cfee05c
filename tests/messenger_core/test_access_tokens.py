"""A caller's tokens: asked for once, used until they end, given up when they are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from joserfc.jwk import KeySet

from messenger_core.service_auth.access_tokens import AccessTokens
from messenger_core.service_auth.assertions import ASSERTION_LIFETIME, verify_statement
from messenger_core.service_auth.keys import generate_private_key

_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_KEY = generate_private_key()
_ENDPOINT = "https://directory.example/oauth2/token"


@pytest.fixture
def tokens() -> AccessTokens:
    return AccessTokens(client_id="homeserver", key=_KEY, token_endpoint=_ENDPOINT)


def test_a_token_is_used_until_half_a_minute_before_its_end(tokens: AccessTokens) -> None:
    assert tokens.find("a", _NOW) is None
    assert tokens.keep("a", {"access_token": "x", "expires_in": 300}, _NOW) == "x"
    assert tokens.find("a", _NOW + timedelta(seconds=269)) == "x"
    assert tokens.find("a", _NOW + timedelta(seconds=270)) is None
    assert tokens.find("b", _NOW) is None


def test_a_token_that_is_refused_is_given_up(tokens: AccessTokens) -> None:
    tokens.keep("a", {"access_token": "x", "expires_in": 300}, _NOW)
    tokens.drop("a")
    tokens.drop("b")
    assert tokens.find("a", _NOW) is None


def test_a_token_is_asked_for_with_a_fresh_assertion(tokens: AccessTokens) -> None:
    first, second = tokens.form("a", _NOW), tokens.form("a", _NOW)
    assert first["scope"] == "a"
    assert first["client_assertion"] != second["client_assertion"]
    verify_statement(
        first["client_assertion"],
        KeySet([_KEY]),
        issuer="homeserver",
        audience=_ENDPOINT,
        now=_NOW,
        max_lifetime=ASSERTION_LIFETIME,
    )


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"access_token": "x"},
        {"access_token": 1, "expires_in": 300},
        *(
            {"access_token": "x", "expires_in": value}
            for value in (0, -1, True, "300", 1.5, float("inf"), 10**400, None)
        ),
    ],
)
def test_an_answer_without_a_token_or_a_sane_lifetime_is_none(tokens: AccessTokens, answer: object) -> None:
    with pytest.raises(ValueError, match="no access token"):
        tokens.keep("a", answer, _NOW)
    assert tokens.find("a", _NOW) is None
