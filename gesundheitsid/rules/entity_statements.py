"""Entity statements (OpenID Federation 1.0, 3): read, verified, and our own as gematik wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gesundheitsid.rules.refusals import Reason, SignInRefused
from gesundheitsid.rules.signed_tokens import Keys, NotVerified, unverified, verified

STATEMENT_TYPE = "entity-statement+jwt"
OWN_LIFETIME = timedelta(hours=12)
SCOPES = ("openid", "urn:telematik:display_name", "urn:telematik:versicherter")
ID_TOKEN_ENCRYPTION = {"alg": "ECDH-ES", "enc": "A256GCM"}


@dataclass(frozen=True, slots=True)
class EntityStatement:
    """What one entity says about another, or about itself.

    Attributes:
        expires_at: seconds since 1970.
        keys: the subject's federation keys.
        metadata: by kind of entity.
        policy: what the issuer demands of the subject's metadata, by kind of entity.
    """

    issuer: str
    subject: str
    expires_at: int
    keys: Keys
    metadata: Mapping[str, Mapping[str, Any]]
    policy: Mapping[str, Mapping[str, Mapping[str, Any]]]
    critical_operators: frozenset[str]
    authority_hints: tuple[str, ...]


def _mappings(value: object) -> dict[str, dict[str, Any]]:
    if value is None:
        return {}
    if not isinstance(value, dict) or not all(isinstance(part, dict) for part in value.values()):
        raise SignInRefused(Reason.STATEMENT_INVALID)
    return value


def _strings(value: object) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise SignInRefused(Reason.STATEMENT_INVALID)
    return tuple(value)


def check_times(claims: Mapping[str, Any], *, now: datetime, leeway: timedelta) -> int:
    """The moment at which a statement expires, in seconds since 1970.

    Raises:
        SignInRefused: ``statement-expired``, or ``statement-invalid`` if it is issued in the future or says nothing.
    """
    issued, expires = claims.get("iat"), claims.get("exp")
    numbers = isinstance(issued, (int, float)) and isinstance(expires, (int, float))
    if not numbers or isinstance(issued, bool) or isinstance(expires, bool):
        raise SignInRefused(Reason.STATEMENT_INVALID)
    assert isinstance(issued, (int, float))
    assert isinstance(expires, (int, float))
    if now.timestamp() >= expires + leeway.total_seconds():
        raise SignInRefused(Reason.STATEMENT_EXPIRED)
    if now.timestamp() < issued - leeway.total_seconds():
        raise SignInRefused(Reason.STATEMENT_INVALID)
    return int(expires)


def read_statement(
    statement: str, keys: Keys | None, *, issuer: str, subject: str, now: datetime, leeway: timedelta
) -> EntityStatement:
    """Verifies an entity statement.

    Args:
        statement: the compact JWS.
        keys: of the issuer; None takes the statement's own, which proves only that its author has them.
        issuer: who must have made it.
        subject: about whom it must be.
        now: the present moment.
        leeway: how far clocks may differ.

    Raises:
        SignInRefused: ``statement-invalid``, ``statement-foreign`` or ``statement-expired``.
    """
    try:
        own = Keys.of(unverified(statement).claims.get("jwks"))
        claims = verified(statement, keys or own, types=frozenset({STATEMENT_TYPE})).claims
    except (NotVerified, ValueError):
        raise SignInRefused(Reason.STATEMENT_INVALID) from None
    if (claims.get("iss"), claims.get("sub")) != (issuer, subject):
        raise SignInRefused(Reason.STATEMENT_FOREIGN)
    expires_at = check_times(claims, now=now, leeway=leeway)
    if _strings(claims.get("crit")):
        # None of the extensions that a statement may call critical is understood here.
        raise SignInRefused(Reason.STATEMENT_INVALID)
    policy = _mappings(claims.get("metadata_policy"))
    return EntityStatement(
        issuer=issuer,
        subject=subject,
        expires_at=expires_at,
        keys=own,
        metadata=_mappings(claims.get("metadata")),
        policy={kind: _mappings(rules) for kind, rules in policy.items()},
        critical_operators=frozenset(_strings(claims.get("metadata_policy_crit"))),
        authority_hints=_strings(claims.get("authority_hints")),
    )


def read_signed_keys(token: str, statement: EntityStatement, *, now: datetime, leeway: timedelta, types: bool) -> Keys:
    """The keys of a ``signed_jwks_uri`` (OpenID Federation 1.0, 5.2.1), signed with the entity's federation key.

    Args:
        token: what was found there.
        statement: the entity's own, verified.
        now: the present moment.
        leeway: how far clocks may differ.
        types: whether its ``typ`` must be ``jwk-set+jwt``.

    Raises:
        SignInRefused: ``keys-invalid``.
    """
    allowed: frozenset[str | None] | None = frozenset({"jwk-set+jwt"}) if types else None
    try:
        claims = verified(token, statement.keys, types=allowed).claims
        keys = Keys.of({"keys": claims.get("keys")})
    except (NotVerified, ValueError):
        raise SignInRefused(Reason.KEYS_INVALID) from None
    if claims.get("iss") != statement.subject or claims.get("sub", statement.subject) != statement.subject:
        raise SignInRefused(Reason.KEYS_INVALID)
    expires = claims.get("exp")
    if expires is not None and not (
        isinstance(expires, (int, float)) and now.timestamp() < expires + leeway.total_seconds()
    ):
        raise SignInRefused(Reason.KEYS_INVALID)
    return keys


@dataclass(frozen=True, slots=True)
class OwnEntity:
    """What our entity statement says.

    Attributes:
        entity_id: our address, under which the federation knows us.
        redirect_uri: where identity providers send people back to.
        client_name: what they show people.
        organization_name: who runs it.
        contacts: where the federation's operator asks.
        authority: the federation master.
        level: the level of assurance that is asked for.
    """

    entity_id: str
    redirect_uri: str
    client_name: str
    organization_name: str
    contacts: Sequence[str]
    authority: str
    level: str


def own_statement(
    own: OwnEntity,
    *,
    federation_keys: Sequence[Mapping[str, Any]],
    party_keys: Sequence[Mapping[str, Any]],
    now: datetime,
) -> dict[str, Any]:
    """The claims of our entity statement.

    Args:
        own: who we are.
        federation_keys: public JWKs that sign entity statements, the next one too.
        party_keys: public JWKs of the relying party: of the certificates (``x5c``) and for encryption.
        now: the present moment.
    """
    issued = int(now.timestamp())
    return {
        "iss": own.entity_id,
        "sub": own.entity_id,
        "iat": issued,
        "exp": issued + int(OWN_LIFETIME.total_seconds()),
        "jwks": {"keys": list(federation_keys)},
        "authority_hints": [own.authority],
        "metadata": {
            "openid_relying_party": {
                "client_name": own.client_name,
                "organization_name": own.organization_name,
                "jwks": {"keys": list(party_keys)},
                "redirect_uris": [own.redirect_uri],
                "response_types": ["code"],
                "grant_types": ["authorization_code"],
                "client_registration_types": ["automatic"],
                "require_pushed_authorization_requests": True,
                # Both spellings: some identity providers look for the one, some for the other.
                "token_endpoint_auth_method": "self_signed_tls_client_auth",
                "token_endpoint_auth_methods_supported": ["self_signed_tls_client_auth"],
                "default_acr_values": [own.level],
                "id_token_signed_response_alg": "ES256",
                "id_token_encrypted_response_alg": ID_TOKEN_ENCRYPTION["alg"],
                "id_token_encrypted_response_enc": ID_TOKEN_ENCRYPTION["enc"],
                "scope": " ".join(SCOPES),
            },
            "federation_entity": {"name": own.organization_name, "contacts": list(own.contacts)},
        },
    }
