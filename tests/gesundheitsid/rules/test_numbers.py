"""Numbers in the federation's tokens: what is never over, or cannot be reckoned with, is refused with its reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from joserfc import jws

from gesundheitsid.rules.entity_statements import read_signed_keys, read_statement
from gesundheitsid.rules.id_token import Expected, check_claims, check_signature
from gesundheitsid.rules.refusals import SignInRefused
from gesundheitsid.rules.signed_tokens import Keys
from messenger_core.service_auth.keys import generate_private_key, public_jwks

_HOSTILE = ["1e999", "-1e999", "NaN", "Infinity", "9" * 400, "-" + "9" * 400, "9" * 5_000, "1e300"]
_NO_MOMENTS = [*_HOSTILE, "true", '"soon"', "null", "[]", "{}"]
_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_LEEWAY = timedelta(seconds=30)
_KEY = generate_private_key()
_KEYS = Keys.of(public_jwks(_KEY))
_ISSUER = "https://idp.example"


def _token(kind: str, **claims: str) -> str:
    issued = int(_NOW.timestamp())
    usual = {"iss": json.dumps(_ISSUER), "sub": json.dumps(_ISSUER), "iat": str(issued), "exp": str(issued + 300)}
    payload = "{" + ", ".join(f'"{name}": {value}' for name, value in {**usual, **claims}.items()) + "}"
    header = {"alg": "ES256", "kid": _KEY.kid, "typ": kind}
    return jws.serialize_compact(header, payload.encode(), _KEY, algorithms=["ES256"])


def _statement(**claims: str) -> str:
    return _token("entity-statement+jwt", jwks=json.dumps(public_jwks(_KEY)), **claims)


def _read(statement: str) -> None:
    read_statement(statement, _KEYS, issuer=_ISSUER, subject=_ISSUER, now=_NOW, leeway=_LEEWAY)


@pytest.mark.parametrize("number", _NO_MOMENTS)
@pytest.mark.parametrize("claim", ["exp", "iat"])
def test_a_statement_without_a_moment_is_refused(claim: str, number: str) -> None:
    _read(_statement())
    with pytest.raises(SignInRefused):
        _read(_statement(**{claim: number}))


@pytest.mark.parametrize("number", [*_HOSTILE, "true", '"soon"', "[]"])
def test_signed_keys_without_a_moment_are_refused(number: str) -> None:
    own = read_statement(_statement(), _KEYS, issuer=_ISSUER, subject=_ISSUER, now=_NOW, leeway=_LEEWAY)
    keys = json.dumps(public_jwks(_KEY)["keys"])
    read_signed_keys(_token("jwk-set+jwt", keys=keys), own, now=_NOW, leeway=_LEEWAY, types=True)
    with pytest.raises(SignInRefused):
        read_signed_keys(_token("jwk-set+jwt", keys=keys, exp=number), own, now=_NOW, leeway=_LEEWAY, types=True)


def _check(token: str) -> None:
    expected = Expected(_ISSUER, "https://us.example", "nonce", "gematik-ehealth-loa-high", _LEEWAY)
    check_claims(check_signature(token, _KEYS), expected, _NOW)


@pytest.mark.parametrize("number", _NO_MOMENTS)
@pytest.mark.parametrize("claim", ["exp", "iat", "nbf"])
def test_an_id_token_without_a_moment_is_refused(claim: str, number: str) -> None:
    further = {
        "aud": '"https://us.example"',
        "nonce": '"nonce"',
        "acr": '"gematik-ehealth-loa-high"',
        "urn:telematik:claims:id": '"A123456789"',
    }
    _check(_token("JWT", **further))
    with pytest.raises(SignInRefused):
        _check(_token("JWT", **further, **{claim: number}))
