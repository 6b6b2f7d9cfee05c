"""A relying party as a sectoral identity provider sees it: registered by its trust chain alone (``automatic``)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet

from sandbox.faults import SandboxFault
from sandbox.ti_federation.federation_master import STATEMENT_TYPE, now


class NotRegistered(SandboxFault):
    """There is no trust chain to a client."""


@dataclass(frozen=True, slots=True)
class RegisteredParty:
    """What a relying party's entity statement says."""

    entity_id: str
    metadata: Mapping[str, Any]

    @property
    def scopes(self) -> frozenset[str]:
        """What it may ask for."""
        return frozenset(str(self.metadata.get("scope", "")).split())

    def knows_certificate(self, certificate: bytes | None) -> bool:
        """Whether a certificate (DER) stands in its JWK set (RFC 8705, 2.2.2)."""
        shown = base64.b64encode(certificate).decode() if certificate else None
        return any(shown in key.get("x5c", []) for key in self.metadata["jwks"]["keys"] if shown)

    def encryption_key(self) -> ECKey:
        """The key that ID tokens are encrypted for."""
        return next(ECKey.import_key(key) for key in self.metadata["jwks"]["keys"] if key.get("use") == "enc")


def _verified(signed: str, keys: KeySet, issuer: str, subject: str) -> Mapping[str, Any]:
    try:
        token = jwt.decode(signed, keys, algorithms=["ES256"])
    except (JoseError, ValueError):
        raise NotRegistered from None
    said = token.claims
    fits = (said.get("iss"), said.get("sub"), token.header.get("typ")) == (issuer, subject, STATEMENT_TYPE)
    if not fits or not said["iat"] - 60 <= now().timestamp() < said["exp"]:
        raise NotRegistered
    return said


async def find_party(
    http: aiohttp.ClientSession, entity_id: str, *, master: str, master_keys: KeySet
) -> RegisteredParty:
    """Follows the chain from the master to a relying party.

    Raises:
        NotRegistered: if the master does not know it, or its statement is not as gematik wants it.
    """
    try:
        async with http.get(f"{master}/federation/fetch", params={"iss": master, "sub": entity_id}) as answer:
            if answer.status != 200:
                raise NotRegistered
            about = _verified(await answer.text(), master_keys, master, entity_id)
        async with http.get(f"{entity_id}/.well-known/openid-federation") as answer:
            if answer.content_type != f"application/{STATEMENT_TYPE}":
                raise NotRegistered
            own = _verified(await answer.text(), KeySet.import_key_set(about["jwks"]), entity_id, entity_id)
    except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
        raise NotRegistered from None
    metadata = own.get("metadata", {}).get("openid_relying_party", {})
    # What real identity providers refuse a statement without.
    needed = {
        "client_registration_types": ["automatic"],
        "token_endpoint_auth_method": "self_signed_tls_client_auth",
        "require_pushed_authorization_requests": True,
        "id_token_signed_response_alg": "ES256",
        "id_token_encrypted_response_alg": "ECDH-ES",
        "id_token_encrypted_response_enc": "A256GCM",
        "response_types": ["code"],
        "grant_types": ["authorization_code"],
    }
    lacking = [name for name, value in needed.items() if metadata.get(name) != value]
    if lacking or master not in own.get("authority_hints", []) or not metadata.get("default_acr_values"):
        raise NotRegistered
    return RegisteredParty(entity_id, metadata)
