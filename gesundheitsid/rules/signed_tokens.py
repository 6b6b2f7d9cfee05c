"""Signed tokens of the federation (RFC 7515, RFC 7519): ES256 alone, with a key that is named and meant for it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from messenger_core.service_auth.bounded_json import read_object

ALGORITHM = "ES256"
_CURVE = "P-256"
_LONGEST = 512 * 1024
_PUBLIC = ("kty", "crv", "x", "y", "kid")


class Fault(Enum):
    """What is wrong with a token."""

    UNREADABLE = auto()
    UNSIGNED = auto()
    ALGORITHM = auto()
    TYPE = auto()
    KEY_UNKNOWN = auto()
    KEY_USE = auto()
    SIGNATURE = auto()


class NotVerified(Exception):  # noqa: N818 - reads as what happened
    """A token cannot be trusted; the text names the fault and no value of the token."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.name)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Keys:
    """The usable keys of a JWK set: public P-256 keys, each with what it may be used for.

    Others (RSA, other curves) may stand beside them; no algorithm accepted here could use them.
    """

    by_kid: Mapping[str, tuple[ECKey, str | None]]

    @classmethod
    def of(cls, jwks: object) -> Keys:
        """Reads a JWK set (RFC 7517, 5).

        Raises:
            ValueError: if it is none, or has no usable key.
        """
        members = jwks.get("keys") if isinstance(jwks, dict) else None
        if not isinstance(members, list):
            raise ValueError("a JWK set is needed")  # noqa: TRY004 - the caller handles one kind of fault
        found: dict[str, tuple[ECKey, str | None]] = {}
        for member in members:
            if not isinstance(member, dict) or (member.get("kty"), member.get("crv")) != ("EC", _CURVE):
                continue
            public = {
                name: member[name] for name in ("kty", "crv", "x", "y", "kid") if isinstance(member.get(name), str)
            }
            try:
                key = ECKey.import_key(cast("dict[str, str | list[str]]", public))
            except (JoseError, ValueError, TypeError, KeyError):
                raise ValueError("a key of the JWK set is no point of its curve") from None
            use = member.get("use")
            key.ensure_kid()
            found[str(key.kid)] = (key, use if isinstance(use, str) else None)
        if not found:
            raise ValueError("the JWK set has no key on P-256")
        return cls(found)

    def signing(self, kid: object) -> ECKey:
        """The key that a header names.

        Raises:
            NotVerified: ``KEY_UNKNOWN`` if there is none of that name, ``KEY_USE`` if it is not for signing.
        """
        key, use = self.by_kid.get(kid, (None, None)) if isinstance(kid, str) else (None, None)
        if key is None:
            raise NotVerified(Fault.KEY_UNKNOWN)
        if use not in {None, "sig"}:
            raise NotVerified(Fault.KEY_USE)
        return key


@dataclass(frozen=True, slots=True)
class Token:
    """Header and claims, as they stand there."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]


def _json(part: str) -> Mapping[str, Any]:
    try:
        return read_object(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except ValueError:
        raise NotVerified(Fault.UNREADABLE) from None


def header_of(token: str) -> Mapping[str, Any]:
    """The header of a compact token, signed or encrypted, as it stands there.

    Raises:
        NotVerified: ``UNREADABLE``.
    """
    return _json(token.split(".", maxsplit=1)[0])


def unverified(token: str) -> Token:
    """What a token says of itself, to find the keys it has to be verified with.

    Raises:
        NotVerified: ``UNREADABLE``.
    """
    parts = token.split(".")
    if len(parts) != 3 or len(token) > _LONGEST or not token.isascii():
        raise NotVerified(Fault.UNREADABLE)
    return Token(_json(parts[0]), _json(parts[1]))


def verified(token: str, keys: Keys, *, types: frozenset[str | None] | None = None) -> Token:
    """Verifies a token's signature.

    Args:
        token: a compact JWS.
        keys: of whoever must have signed it.
        types: the accepted ``typ``; None accepts any.

    Raises:
        NotVerified: with the fault.
    """
    said = unverified(token)
    algorithm = said.header.get("alg")
    if algorithm is None or (isinstance(algorithm, str) and algorithm.lower() == "none"):
        raise NotVerified(Fault.UNSIGNED)
    if algorithm != ALGORITHM or "crit" in said.header:
        raise NotVerified(Fault.ALGORITHM)
    kind = said.header.get("typ")
    if types is not None and not ((kind is None or isinstance(kind, str)) and kind in types):
        raise NotVerified(Fault.TYPE)
    key = keys.signing(said.header.get("kid"))
    try:
        jws.deserialize_compact(token, key, algorithms=[ALGORITHM])
    except (JoseError, ValueError, TypeError):
        raise NotVerified(Fault.SIGNATURE) from None
    return said
