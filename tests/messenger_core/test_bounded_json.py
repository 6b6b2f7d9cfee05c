"""Numbers of tokens and statements: what nobody can reckon with is refused, wherever it stands."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import KeySet

from messenger_core.service_auth.assertions import StatementRefused, unverified_issuer, verify_statement
from messenger_core.service_auth.bounded_json import LARGEST, read_object
from messenger_core.service_auth.keys import generate_private_key

HOSTILE = [
    "1e999",
    "-1e999",
    "1E+400",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 400,
    "-" + "9" * 400,
    "9" * 5_000,
    str(LARGEST + 1),
    "1e300",
]
_NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
_KEY = generate_private_key()


@pytest.mark.parametrize("number", HOSTILE)
@pytest.mark.parametrize("where", ['{"exp": %s}', '{"a": [{"b": %s}]}'])
def test_a_number_beyond_all_bounds_is_no_content(number: str, where: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_object(where % number)


@pytest.mark.parametrize("content", ["[]", "1", '"x"', "", "{", "[" * 100_000, '{"a":' * 100_000])
def test_what_is_no_object_is_refused(content: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_object(content)


@given(
    st.dictionaries(
        st.text(),
        st.integers(-LARGEST, LARGEST) | st.floats(-LARGEST, LARGEST) | st.text() | st.booleans() | st.none(),
    )
)
def test_everything_else_is_read_as_it_is(content: dict[str, object]) -> None:
    assert read_object(json.dumps(content)) == content


def _statement(**numbers: str) -> str:
    issued = int(_NOW.timestamp())
    claims = {"iss": '"a"', "sub": '"a"', "aud": '"b"', "jti": '"c"', "iat": str(issued), "exp": str(issued + 60)}
    payload = "{" + ", ".join(f'"{name}": {value}' for name, value in {**claims, **numbers}.items()) + "}"
    header = {"alg": "ES256", "kid": _KEY.kid, "typ": "JWT"}
    return jws.serialize_compact(header, payload.encode(), _KEY, algorithms=["ES256"])


def _verify(statement: str) -> None:
    verify_statement(statement, KeySet([_KEY]), issuer="a", audience="b", now=_NOW, max_lifetime=timedelta(seconds=60))


@pytest.mark.parametrize("number", [*HOSTILE, "1.5", "true", '"1"', "null"])
@pytest.mark.parametrize("claim", ["exp", "iat"])
def test_a_statement_ends_and_begins_at_a_whole_second(claim: str, number: str) -> None:
    _verify(_statement())
    with pytest.raises(StatementRefused):
        _verify(_statement(**{claim: number}))


@pytest.mark.parametrize("number", HOSTILE)
def test_a_statement_with_a_hostile_number_elsewhere_is_refused(number: str) -> None:
    with pytest.raises(StatementRefused):
        _verify(_statement(other=number))
    with pytest.raises(StatementRefused):
        unverified_issuer(_statement(other=number))
