"""gematik's federation list: who signed it, what it says, and how long it counts (gemSpec_TI-M_Basis, A_25534)."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from OpenSSL import crypto

from messenger_core.service_auth.bounded_json import read_object
from synapse_modules.rules.errors import ModuleError

# The signature algorithms of the provider interface (I_VZD_TIM_Provider_Services 1.4.0, sigAlg), both with SHA-256.
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "BP256R1": ec.BrainpoolP256R1}
_COORDINATE_BYTES = 32
_LONGEST_CHAIN = 5
_SERVER_NAME = re.compile(r"[a-z0-9.-]{1,230}(:[0-9]{1,5})?")
_IK = re.compile(r"[0-9]{9}")
_LONGEST_USER_ID = 255
# Matrix 1.15, user identifiers: what a server gives out now. Anything else would be room for words.
_USER_ID = re.compile(r"@[a-z0-9._=/+-]+:(.+)")


class ListFault(StrEnum):
    """Why a list is not taken."""

    NOT_READABLE = "not-readable"
    UNKNOWN_ALGORITHM = "unknown-algorithm"
    NOT_TRUSTED = "not-trusted"
    WRONG_SIGNATURE = "wrong-signature"


class ListRefused(ModuleError):  # noqa: N818 - reads as what happened
    """A list is not taken."""

    def __init__(self, fault: ListFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class ListedServer:
    """A server of the TI federation.

    Attributes:
        domain: its server name, in small letters.
        is_insurance: whether its users are insured people.
        iks: the institution codes of their insurer; of insurances only.
    """

    domain: str
    is_insurance: bool
    iks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FederationList:
    """A list whose signature was verified; ``left_out`` entries were not readable and count as not listed."""

    version: int
    servers: Mapping[str, ListedServer]
    left_out: int = 0


def read_federation_list(signed: str, roots: Sequence[x509.Certificate], now: datetime) -> FederationList:
    """Verifies a list and reads it.

    Args:
        signed: a JWS in compact form (RFC 7515) whose header names the signer's certificate chain (``x5c``).
        roots: the certificates that the chain must lead to.
        now: in UTC; the certificates must be valid then.

    Raises:
        ListRefused: if it is not a list, or not signed by somebody whom the roots stand for.
    """
    try:
        encoded_header, encoded_payload, encoded_signature = signed.strip().split(".")
        header = read_object(_base64url(encoded_header))
        payload, signature = _base64url(encoded_payload), _base64url(encoded_signature)
        chain = [x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in header["x5c"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ListRefused(ListFault.NOT_READABLE) from None
    curve = _CURVES.get(header["alg"]) if isinstance(header.get("alg"), str) else None
    if curve is None or "crit" in header:
        raise ListRefused(ListFault.UNKNOWN_ALGORITHM)
    _check_chain(chain, roots, now)
    _check_signature(chain[0], curve, f"{encoded_header}.{encoded_payload}".encode(), signature)
    return _read(payload)


def _base64url(text: str) -> bytes:
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as fault:
        raise ValueError from fault


def _check_chain(chain: Sequence[x509.Certificate], roots: Sequence[x509.Certificate], now: datetime) -> None:
    if not 0 < len(chain) <= _LONGEST_CHAIN:
        raise ListRefused(ListFault.NOT_TRUSTED)
    store = crypto.X509Store()
    # A configured certificate is an anchor whether it signed itself or not: gematik's component CAs did not.
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    try:
        for root in roots:
            store.add_cert(crypto.X509.from_cryptography(root))
        store.set_time(now)
        first, *others = map(crypto.X509.from_cryptography, chain)
        # OpenSSL knows gematik's curves and the rules of RFC 5280; a policy for websites would refuse both.
        crypto.X509StoreContext(store, first, others).verify_certificate()
    except (crypto.X509StoreContextError, crypto.Error):
        raise ListRefused(ListFault.NOT_TRUSTED) from None


def _check_signature(
    certificate: x509.Certificate, curve: type[ec.EllipticCurve], signed: bytes, signature: bytes
) -> None:
    key = certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, curve):
        raise ListRefused(ListFault.UNKNOWN_ALGORITHM)
    if len(signature) != 2 * _COORDINATE_BYTES:
        raise ListRefused(ListFault.WRONG_SIGNATURE)
    r, s = (int.from_bytes(half) for half in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]))
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise ListRefused(ListFault.WRONG_SIGNATURE) from None


def _read(payload: bytes) -> FederationList:
    try:
        content = read_object(payload)
        version, entries = content["version"], content["domainList"]
    except (ValueError, KeyError, RecursionError):
        raise ListRefused(ListFault.NOT_READABLE) from None
    if type(version) is not int or version < 0 or not isinstance(entries, list):
        raise ListRefused(ListFault.NOT_READABLE)
    servers: dict[str, ListedServer] = {}
    left_out = 0
    for entry in entries:
        server = _read_entry(entry)
        if server is None:
            left_out += 1
            continue
        known = servers.get(server.domain)
        servers[server.domain] = server if known is None else _stricter(known, server)
    return FederationList(version, servers, left_out)


def _read_entry(entry: object) -> ListedServer | None:
    if not isinstance(entry, dict):
        return None
    domain, is_insurance, iks = entry.get("domain"), entry.get("isInsurance"), entry.get("ik") or []
    if not isinstance(domain, str) or not isinstance(is_insurance, bool) or not isinstance(iks, list):
        return None
    domain = domain.lower()
    if not _SERVER_NAME.fullmatch(domain):
        return None
    known = tuple(dict.fromkeys(ik for ik in iks if isinstance(ik, str) and _IK.fullmatch(ik)))
    return ListedServer(domain, is_insurance, known if is_insurance else ())


def _stricter(one: ListedServer, other: ListedServer) -> ListedServer:
    """Of two entries for the same server the one that keeps more people apart: insured people win over practices."""
    iks = tuple(dict.fromkeys((*one.iks, *other.iks)))
    return ListedServer(one.domain, one.is_insurance or other.is_insurance, iks)


def still_counts(confirmed_at: int, now: int, max_age: int) -> bool:
    """Whether a list may be used: its publisher confirmed it recently enough; all in milliseconds."""
    return now - confirmed_at <= max_age


def server_of_user(user_id: str) -> str | None:
    """The server that a user id is of; None if no server gives out such a one."""
    found = _USER_ID.fullmatch(user_id) if len(user_id) <= _LONGEST_USER_ID else None
    return None if found is None else found[1]


def server_of_ik(servers: Mapping[str, ListedServer], ik: str) -> str | None:
    """The server whose users are insured with an institution code; None if none is listed."""
    return next((server.domain for server in servers.values() if ik in server.iks), None)
