"""Signed statements between services: made and verified, with time as an argument.

Sources: RFC 7519 (claims), RFC 7523 section 3 (client assertions).
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from messenger_core.service_auth.bounded_json import BoundedDecoder, read_object
from messenger_core.service_auth.keys import ALGORITHM

ASSERTION_LIFETIME = timedelta(seconds=60)
_CLOCK_LEEWAY_S = 10


class StatementRefused(Exception):  # noqa: N818 - the field speaks of refused assertions
    """A signed statement is not accepted; the text names the reason and no value of the statement.

    Attributes:
        expired: whether nothing is wrong with it but that its time is over.
    """

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.expired = expired


@dataclass(frozen=True, slots=True)
class Statement:
    """A verified statement."""

    issuer: str
    subject: str
    statement_id: str
    expires_at: int
    """Seconds since 1970."""
    claims: Mapping[str, Any]


def sign_statement(key: ECKey, claims: Mapping[str, Any], *, token_type: str = "JWT") -> str:
    """Signs claims as they are, ES256, with the key's id in the header."""
    key.ensure_kid()
    return jwt.encode({"alg": ALGORITHM, "kid": key.kid, "typ": token_type}, dict(claims), key, [ALGORITHM])


def make_assertion(key: ECKey, *, client_id: str, audience: str, now: datetime) -> str:
    """A client assertion (RFC 7523) that lives 60 seconds and carries a fresh ``jti``."""
    issued = int(now.timestamp())
    return sign_statement(
        key,
        {
            "iss": client_id,
            "sub": client_id,
            "aud": audience,
            "iat": issued,
            "exp": issued + int(ASSERTION_LIFETIME.total_seconds()),
            "jti": secrets.token_urlsafe(24),
        },
    )


def unverified_issuer(statement: str) -> str:
    """The ``iss`` of a statement that is not verified yet, to find the key to verify it with.

    Raises:
        StatementRefused: if it cannot be read.
    """
    try:
        payload = statement.split(".")[1]
        claims = read_object(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        issuer = claims["iss"]
    except (IndexError, ValueError, KeyError):
        raise StatementRefused("the statement is not a readable JWT with an issuer") from None
    if not isinstance(issuer, str):
        raise StatementRefused("the statement's issuer is not a string")
    return issuer


def verify_statement(
    statement: str,
    keys: KeySet,
    *,
    issuer: str,
    audience: str,
    now: datetime,
    max_lifetime: timedelta,
    token_type: str | None = None,
) -> Statement:
    """Verifies signature and claims of a statement.

    Args:
        statement: the compact JWS.
        keys: the issuer's public keys.
        issuer: the only issuer accepted.
        audience: the only audience accepted; a statement for several is refused.
        now: the present moment.
        max_lifetime: how far ``exp`` may lie behind ``iat``.
        token_type: the only ``typ`` accepted, where one key signs statements for several purposes.

    Raises:
        StatementRefused: with the reason.
    """
    try:
        token = jwt.decode(statement, keys, algorithms=[ALGORITHM], decoder_cls=BoundedDecoder)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise StatementRefused(
            "the signature cannot be verified with the issuer's keys and ES256, or its numbers are beyond 2**53"
        ) from None
    if token_type is not None and token.header.get("typ") != token_type:
        raise StatementRefused(f"its type (typ) must be {token_type}")
    claims = token.claims
    issued, expires, present = claims.get("iat"), claims.get("exp"), int(now.timestamp())
    subject, statement_id = claims.get("sub"), claims.get("jti")
    if claims.get("iss") != issuer:
        raise StatementRefused("the issuer (iss) is not the expected one")
    if claims.get("aud") not in (audience, [audience]):
        raise StatementRefused(f"the audience (aud) must be {audience}")
    if type(issued) is not int or type(expires) is not int:
        raise StatementRefused("iat and exp must be whole seconds")
    if expires + _CLOCK_LEEWAY_S <= present:
        raise StatementRefused("it has expired (exp)", expired=True)
    if issued - _CLOCK_LEEWAY_S > present:
        raise StatementRefused("it was issued in the future (iat)")
    if expires - issued > max_lifetime.total_seconds():
        raise StatementRefused(f"it lives longer than {int(max_lifetime.total_seconds())} seconds")
    if not isinstance(subject, str) or not subject:
        raise StatementRefused("the subject (sub) is missing")
    if not isinstance(statement_id, str) or not statement_id.isprintable() or not 0 < len(statement_id) <= 255:
        raise StatementRefused("the statement's id (jti) must be a printable text of at most 255 characters")
    return Statement(issuer, subject, statement_id, expires, dict(claims))
