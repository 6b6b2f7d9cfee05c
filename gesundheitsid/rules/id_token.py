"""The sectoral identity provider's ID token: decrypted, verified, and checked (OpenID Connect Core 1.0, 3.1.3.7).

The outer token is a JWE with ECDH-ES and A256GCM, the inner one a JWS with ES256; nothing else is accepted.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from gesundheitsid.rules.entity_statements import ID_TOKEN_ENCRYPTION
from gesundheitsid.rules.refusals import Reason, SignInRefused
from gesundheitsid.rules.signed_tokens import Fault, Keys, NotVerified, Token, header_of, verified

_LEVELS = ("gematik-ehealth-loa-substantial", "gematik-ehealth-loa-high")
_REASONS = {
    Fault.UNREADABLE: Reason.TOKEN_UNREADABLE,
    Fault.TYPE: Reason.TOKEN_UNREADABLE,
    Fault.UNSIGNED: Reason.TOKEN_UNSIGNED,
    Fault.ALGORITHM: Reason.TOKEN_ALGORITHM,
    Fault.KEY_UNKNOWN: Reason.TOKEN_KEY_UNKNOWN,
    Fault.KEY_USE: Reason.TOKEN_KEY_USE,
    Fault.SIGNATURE: Reason.TOKEN_SIGNATURE,
}
_LONGEST = 64 * 1024


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token has to say.

    Attributes:
        issuer: the identity provider.
        audience: our own entity id.
        nonce: that of the request.
        level: the least level of assurance (``acr``).
        leeway: how far clocks may differ.
    """

    issuer: str
    audience: str
    nonce: str
    level: str
    leeway: timedelta


def decrypt(token: str, keys: Sequence[ECKey]) -> str:
    """The signed token inside an encrypted one.

    Args:
        token: a compact JWE.
        keys: our decryption keys: the current one, the next one and earlier ones.

    Raises:
        SignInRefused: ``token-unencrypted``, ``token-encryption``, ``token-undecryptable`` or ``token-unreadable``.
    """
    parts = token.split(".")
    if len(parts) == 3:
        raise SignInRefused(Reason.TOKEN_UNENCRYPTED)
    if len(parts) != 5 or len(token) > _LONGEST or not token.isascii():
        raise SignInRefused(Reason.TOKEN_UNREADABLE)
    try:
        header = header_of(token)
    except NotVerified:
        raise SignInRefused(Reason.TOKEN_UNREADABLE) from None
    if {name: header.get(name) for name in ID_TOKEN_ENCRYPTION} != ID_TOKEN_ENCRYPTION or "zip" in header:
        raise SignInRefused(Reason.TOKEN_ENCRYPTION)
    for key in keys:
        if header.get("kid", key.kid) != key.kid:
            continue
        try:
            plain = jwe.decrypt_compact(token, key, algorithms=list(ID_TOKEN_ENCRYPTION.values())).plaintext
        except (JoseError, ValueError, TypeError, KeyError):
            continue
        if plain is not None and plain.isascii():
            return plain.decode()
    raise SignInRefused(Reason.TOKEN_UNDECRYPTABLE)


def check_signature(token: str, keys: Keys) -> Mapping[str, Any]:
    """The claims of the inner token, once its signature is verified.

    Raises:
        SignInRefused: with the reason; ``token-key-unknown`` may be cured by newer keys.
    """
    try:
        read: Token = verified(token, keys)
    except NotVerified as fault:
        raise SignInRefused(_REASONS[fault.fault]) from None
    return read.claims


def _number(claims: Mapping[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise SignInRefused(Reason.TOKEN_UNREADABLE)
    return float(value)


def check_claims(claims: Mapping[str, Any], expected: Expected, now: datetime) -> None:
    """Checks who made the token, for whom, when, for which request, and how well the person was identified.

    Raises:
        SignInRefused: with the reason.
    """
    if claims.get("iss") != expected.issuer:
        raise SignInRefused(Reason.TOKEN_ISSUER)
    audience = claims.get("aud")
    # A token that others may use as well is refused, as OpenID Connect Core allows.
    if audience not in (expected.audience, [expected.audience]) or claims.get("azp", audience) not in (
        expected.audience,
        audience,
    ):
        raise SignInRefused(Reason.TOKEN_AUDIENCE)
    leeway, present = expected.leeway.total_seconds(), now.timestamp()
    if present >= _number(claims, "exp") + leeway:
        raise SignInRefused(Reason.TOKEN_EXPIRED)
    if present < max(_number(claims, "iat"), _number({"nbf": 0, **claims}, "nbf")) - leeway:
        raise SignInRefused(Reason.TOKEN_EARLY)
    nonce = claims.get("nonce")
    if not isinstance(nonce, str) or not hmac.compare_digest(nonce.encode(), expected.nonce.encode()):
        raise SignInRefused(Reason.TOKEN_NONCE)
    level = claims.get("acr")
    if level not in _LEVELS or _LEVELS.index(level) < _LEVELS.index(expected.level):
        raise SignInRefused(Reason.LEVEL_TOO_LOW)
    subject, kvnr = claims.get("sub"), claims.get("urn:telematik:claims:id")
    if not all(isinstance(value, str) and value for value in (subject, kvnr)):
        raise SignInRefused(Reason.IDENTITY_MISSING)
