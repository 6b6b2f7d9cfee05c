"""Our keys: for each purpose one that is used, one that is announced for later, and earlier ones that still decrypt."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, cast, get_args

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

Purpose = Literal["federation", "tls", "encryption", "id-token"]
PURPOSES: tuple[Purpose, ...] = get_args(Purpose)
_CURVE = "P-256"
_KEPT = 2
"""How many earlier keys are kept: what was encrypted for them, or signed with them, may still arrive."""
_CERTIFICATE_LIFETIME = timedelta(days=3 * 365)


class KeyFileError(ValueError):
    """The key file is not as ``make_rings`` makes it; the text repeats nothing of it."""


@dataclass(frozen=True, slots=True)
class Ring:
    """The keys of one purpose, as private JWKs.

    Attributes:
        current: signs, or proves who we are.
        following: is published already and used after the next rotation.
        earlier: the newest first.
    """

    current: ECKey
    following: ECKey
    earlier: tuple[ECKey, ...] = ()

    @property
    def all(self) -> tuple[ECKey, ...]:
        """Every key, the current one first."""
        return (self.current, self.following, *self.earlier)

    def rotated(self, fresh: ECKey) -> Ring:
        """The ring after a rotation, with a fresh key to be announced."""
        return Ring(self.following, fresh, (self.current, *self.earlier)[:_KEPT])


def _self_signed(key: ECKey, host: str, now: datetime) -> str:
    """A certificate for a key, as base64 of its DER (RFC 8705, 2.2: the key counts, nobody else signs it)."""
    private = key.private_key
    assert isinstance(private, ec.EllipticCurvePrivateKey)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + _CERTIFICATE_LIFETIME)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .sign(private, hashes.SHA256())
    )
    return base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()


def make_key(purpose: Purpose, host: str, now: datetime) -> ECKey:
    """A fresh key.

    Args:
        purpose: what for.
        host: of our address, for the certificate's name.
        now: the present moment.
    """
    key = ECKey.generate_key(_CURVE, auto_kid=True)
    further: dict[str, Any] = (
        {"use": "enc", "alg": "ECDH-ES"} if purpose == "encryption" else {"use": "sig", "alg": "ES256"}
    )
    if purpose == "tls":
        further["x5c"] = [_self_signed(key, host, now)]
    return ECKey.import_key({**key.as_dict(private=True), **further})


def make_rings(host: str, now: datetime) -> dict[Purpose, Ring]:
    """Fresh keys for all purposes."""
    return {purpose: Ring(make_key(purpose, host, now), make_key(purpose, host, now)) for purpose in PURPOSES}


def as_json(rings: Mapping[Purpose, Ring]) -> dict[str, Any]:
    """What is written to the key file."""
    return {
        purpose: {
            "current": ring.current.as_dict(private=True),
            "next": ring.following.as_dict(private=True),
            "earlier": [key.as_dict(private=True) for key in ring.earlier],
        }
        for purpose, ring in rings.items()
    }


def _key(value: object) -> ECKey:
    try:
        key = ECKey.import_key(cast("dict[str, str | list[str]]", value))
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise KeyFileError("a key is not a private JWK") from None
    if not key.is_private or key.curve_name != _CURVE or not key.kid:
        raise KeyFileError("a key is not a private JWK on P-256 with a kid")
    return key


def from_json(content: object) -> dict[Purpose, Ring]:
    """Reads what ``as_json`` made.

    Raises:
        KeyFileError: if it is something else.
    """
    if not isinstance(content, dict):
        raise KeyFileError("the file is not an object")
    rings: dict[Purpose, Ring] = {}
    for purpose in PURPOSES:
        part = content.get(purpose)
        if not isinstance(part, dict) or not isinstance(part.get("earlier"), list):
            raise KeyFileError(f"the keys for {purpose} are missing")
        rings[purpose] = Ring(
            _key(part.get("current")), _key(part.get("next")), tuple(_key(key) for key in part["earlier"])
        )
    for key in rings["tls"].all:
        certificate_of(key)
    return rings


def certificate_of(key: ECKey) -> x509.Certificate:
    """The certificate of a key for TLS.

    Raises:
        KeyFileError: if it has none, or one for another key.
    """
    chain = key.as_dict(private=False).get("x5c")
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode(str(cast("list[str]", chain)[0])))
    except (ValueError, TypeError, IndexError):
        raise KeyFileError("a key for tls has no certificate") from None
    if certificate.public_key() != key.public_key:
        raise KeyFileError("a key for tls has the certificate of another key")
    return certificate


def days_left(key: ECKey, now: datetime) -> float:
    """For how many days the certificate of a key is still valid."""
    return (certificate_of(key).not_valid_after_utc - now.astimezone(UTC)) / timedelta(days=1)
