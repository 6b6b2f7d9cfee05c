"""The table of sign-ins that are refused: by what the GesundheitsID says, and by how it is said."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import generate_private_key
from tests.synapse_modules.homeserver_under_test import Homeserver, SignInRefused, claims, new_kvnr

_KVNR, _INSURER = "urn:telematik:claims:id", "urn:telematik:claims:organization"
_PROFESSION, _NAME = "urn:telematik:claims:profession", "urn:telematik:display_name"

# What is said, the reason in the audit log, and a word of the page in German and in English.
_SAID: list[tuple[dict[str, Any], str, str, str]] = [
    ({_INSURER: "109500969"}, "other-insurer", "nicht bei der HEK versichert", "not insured with HEK"),
    ({_INSURER: "101570105"}, "insurer-not-valid", "Angabe zu Ihrer Krankenkasse", "insurer that"),
    ({_INSURER: "HEK"}, "insurer-not-valid", "Angabe zu Ihrer Krankenkasse", "insurer that"),
    ({_INSURER: None}, "claims-missing", "nicht vollständig", "completely"),
    ({_KVNR: None}, "claims-missing", "nicht vollständig", "completely"),
    ({_KVNR: ["A123456780"]}, "claims-missing", "nicht vollständig", "completely"),
    ({_KVNR: ""}, "kvnr-not-valid", "nicht gültig", "not valid"),
    ({_KVNR: "A123456789"}, "kvnr-not-valid", "nicht gültig", "not valid"),
    ({_KVNR: "a123456780"}, "kvnr-not-valid", "nicht gültig", "not valid"),
    ({_KVNR: "A123456780 "}, "kvnr-not-valid", "nicht gültig", "not valid"),
    ({_PROFESSION: "1.2.276.0.76.4.30"}, "not-an-insured-person", "nur für Versicherte", "insured with HEK only"),
    ({_PROFESSION: None}, "claims-missing", "nicht vollständig", "completely"),
    ({"acr": "gematik-ehealth-loa-substantial"}, "weak-sign-in", "niedrigeren Stufe", "lower"),
    ({"acr": None}, "claims-missing", "nicht vollständig", "completely"),
    ({"acr": ["gematik-ehealth-loa-high"]}, "claims-missing", "nicht vollständig", "completely"),
    ({"amr": ["urn:telematik:auth:sso"]}, "not-identified-anew", "neu ausweisen", "anew"),
    ({"urn:telematik:auth:interactive": "silent"}, "not-identified-anew", "neu ausweisen", "anew"),
    ({_NAME: None}, "name-missing", "fehlt Ihr Name", "lacks your name"),
    ({_NAME: "\u200b \n"}, "name-missing", "fehlt Ihr Name", "lacks your name"),
]


def _unsigned(_key: ECKey, said: dict[str, Any]) -> str:
    head, body, _ = jwt.encode({"alg": "HS256"}, said, OctKey.generate_key(256)).split(".")
    return f"{head.replace('HS256', 'none')}.{body}."


def _without_algorithm(_key: ECKey, said: dict[str, Any]) -> str:
    return jwt.encode({"alg": "none"}, said, OctKey.generate_key(256), algorithms=["none"])


def _symmetric(_key: ECKey, said: dict[str, Any]) -> str:
    return jwt.encode({"alg": "HS256"}, said, OctKey.import_key(b"secret".ljust(32, b"0")))


def _another_key(_key: ECKey, said: dict[str, Any]) -> str:
    return sign_statement(generate_private_key(), said)


def _the_right_name_on_another_key(key: ECKey, said: dict[str, Any]) -> str:
    return sign_statement(ECKey.import_key(generate_private_key().as_dict() | {"kid": str(key.kid)}), said)


def _tampered(key: ECKey, said: dict[str, Any]) -> str:
    head, _, signature = sign_statement(key, said).split(".")
    body = sign_statement(key, said | {_KVNR: new_kvnr()}).split(".")[1]
    return f"{head}.{body}.{signature}"


def _says(**changed: Any) -> Callable[[ECKey, dict[str, Any]], str]:
    return lambda key, said: sign_statement(key, {k: v for k, v in (said | changed).items() if v is not None})


_HOW: list[tuple[str, Callable[[ECKey, dict[str, Any]], object]]] = [
    ("an hour old", _says(exp=int(time.time()) - 3600, iat=int(time.time()) - 7200)),
    ("without an end", _says(exp=None)),
    ("another nonce", _says(nonce="another")),
    ("without a nonce", _says(nonce=None)),
    ("for somebody else", _says(aud="another-client")),
    ("for two, and not for us alone", _says(aud=["homeserver", "another"], azp="another")),
    ("from somebody else", _says(iss="https://elsewhere.example")),
    ("without a subject", _says(sub=None)),
    ("signed by nobody, algorithm none", _without_algorithm),
    ("an algorithm named none behind a signature", _unsigned),
    ("signed with the client's secret", _symmetric),
    ("signed with an unknown key", _another_key),
    ("signed with another key under the right name", _the_right_name_on_another_key),
    ("changed after it was signed", _tampered),
    ("no token at all", lambda _key, _said: "not a token"),
    ("nothing", lambda _key, _said: None),
]


@pytest.fixture
def said_in(homeserver: Homeserver) -> Iterator[Homeserver]:
    """The homeserver; its provider is honest again afterwards."""
    yield homeserver
    homeserver.provider.sign = sign_statement
    homeserver.provider.refuses_code = False


def _made(homeserver: Homeserver) -> tuple[int, ...]:
    return tuple(homeserver.count(table) for table in ("users", "hek_account", "user_external_ids", "access_tokens"))


def test_the_table_is_long_enough_to_be_one() -> None:
    assert len(_SAID) + len(_HOW) >= 25


@pytest.mark.parametrize(("changed", "reason", "german", "english"), _SAID)
async def test_what_a_gesundheitsid_says_is_refused_with_its_own_page_and_audit_row(
    homeserver: Homeserver, changed: dict[str, Any], reason: str, german: str, english: str
) -> None:
    before, audited = _made(homeserver), homeserver.count("hek_audit")
    with pytest.raises(SignInRefused) as refusal:
        await homeserver.sign_in({k: v for k, v in claims(new_kvnr(), **changed).items() if v is not None})
    assert german in str(refusal.value)
    assert english in str(refusal.value)
    assert _made(homeserver) == before
    assert homeserver.rows(f"SELECT what, reason FROM hek_audit ORDER BY rowid LIMIT -1 OFFSET {audited}") == [
        ("sign-in-refused", reason)
    ]


@pytest.mark.parametrize("sign", [how for _, how in _HOW], ids=[name for name, _ in _HOW])
async def test_a_token_that_is_not_as_it_must_be_lets_nobody_in(
    said_in: Homeserver, sign: Callable[[ECKey, dict[str, Any]], object]
) -> None:
    before = _made(said_in)
    said_in.provider.sign = sign
    kvnr = new_kvnr()
    with pytest.raises(SignInRefused, match="Anmeldung nicht möglich"):
        await said_in.sign_in(claims(kvnr))
    assert _made(said_in) == before
    said_in.provider.sign = sign_statement
    assert (await said_in.sign_in(claims(kvnr))).access_token


async def test_a_code_that_the_provider_does_not_take_lets_nobody_in(said_in: Homeserver) -> None:
    said_in.provider.refuses_code = True
    with pytest.raises(SignInRefused, match="technischen Grund"):
        await said_in.sign_in(claims(new_kvnr()))


async def test_a_callback_is_answered_once_and_only_to_the_browser_that_asked(homeserver: Homeserver) -> None:
    token = await homeserver.login_token(claims(new_kvnr()))
    for expected in (200, 403):
        status, _ = await homeserver.call(None, "POST", "/login", {"type": "m.login.token", "token": token})
        assert status == expected


@pytest.mark.parametrize("query", ["code=x&state=y", "state=y", "code=x", "error=access_denied&state=y", ""])
async def test_a_callback_that_nobody_asked_for_is_a_page_and_nothing_more(homeserver: Homeserver, query: str) -> None:
    before = _made(homeserver)
    status, page = await homeserver.get_page(f"/_synapse/client/oidc/callback?{query}")
    assert status == 400
    assert "Anmeldung nicht möglich" in page.text
    assert _made(homeserver) == before
