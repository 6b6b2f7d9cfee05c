"""The trust chain from the federation master to a sectoral identity provider, and the list of all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from gesundheitsid.rules.entity_statements import EntityStatement, check_times, read_statement
from gesundheitsid.rules.metadata_policy import apply_policy
from gesundheitsid.rules.refusals import Reason, SignInRefused
from gesundheitsid.rules.signed_tokens import Keys, NotVerified, verified

_LIST_TYPE = "idp-list+jwt"
_MOST_LISTED = 2_000
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class Master:
    """The federation master, as it describes itself with a key that is pinned in the settings."""

    statement: EntityStatement
    fetch_endpoint: str
    list_endpoint: str


@dataclass(frozen=True, slots=True)
class SectoralIdp:
    """An insurer's identity provider, trusted until a moment.

    Attributes:
        statement: its own, verified along the chain.
        expires_at: when the first link of the chain expires; seconds since 1970.
        par_endpoint: where authorization requests are pushed to.
        authorization_endpoint: where the person's browser goes.
        token_endpoint: where codes are redeemed.
        signed_keys_uri: where its further keys are, if it has any.
        keys: those of its metadata.
    """

    statement: EntityStatement
    expires_at: int
    par_endpoint: str
    authorization_endpoint: str
    token_endpoint: str
    signed_keys_uri: str | None
    keys: Keys | None

    @property
    def issuer(self) -> str:
        """Its address in the federation."""
        return self.statement.subject


@dataclass(frozen=True, slots=True)
class ListedIdp:
    """A line of the federation's list: whom a person may choose."""

    issuer: str
    name: str


def is_secure(address: object) -> bool:
    """Whether an endpoint may be called: https with a host, and nobody's password in it."""
    if not isinstance(address, str) or not address.isprintable() or " " in address:
        return False
    try:
        parts = urlsplit(address)
        return parts.scheme == "https" and bool(parts.hostname) and parts.username is None and not parts.fragment
    except ValueError:
        return False


def _leads_a_browser(address: object) -> bool:
    """As ``is_secure``; on the same machine a browser may also be led by plain http, as everywhere in this house."""
    if is_secure(address):
        return True
    return isinstance(address, str) and address.startswith("http://") and urlsplit(address).hostname in _LOOPBACK


def _endpoint(metadata: Mapping[str, Any], name: str) -> str:
    aliases = metadata.get("mtls_endpoint_aliases")
    address = aliases.get(name) if isinstance(aliases, dict) and name in aliases else metadata.get(name)
    if not is_secure(address):
        raise SignInRefused(Reason.METADATA_REFUSED)
    assert isinstance(address, str)
    return address


def read_master(statement: str, pinned: Keys, *, entity_id: str, now: datetime, leeway: timedelta) -> Master:
    """Verifies the federation master's own statement with the pinned key.

    Raises:
        SignInRefused: as of ``read_statement``; ``metadata-refused`` if it lacks an endpoint.
    """
    read = read_statement(statement, pinned, issuer=entity_id, subject=entity_id, now=now, leeway=leeway)
    metadata = read.metadata.get("federation_entity", {})
    return Master(read, _endpoint(metadata, "federation_fetch_endpoint"), _endpoint(metadata, "idp_list_endpoint"))


def read_idp(own: str, about: str, master: Master, *, issuer: str, now: datetime, leeway: timedelta) -> SectoralIdp:
    """Verifies the chain: the master's statement about an identity provider, and then the provider's own with its key.

    Args:
        own: the provider's statement about itself.
        about: the master's statement about the provider.
        master: the federation master.
        issuer: the provider's address.
        now: the present moment.
        leeway: how far clocks may differ.

    Raises:
        SignInRefused: as of ``read_statement``; ``authority-unknown`` if the provider names another authority;
            ``metadata-refused`` if what it says is not what master or we demand.
    """
    authority = master.statement.subject
    trusted = read_statement(about, master.statement.keys, issuer=authority, subject=issuer, now=now, leeway=leeway)
    statement = read_statement(own, trusted.keys, issuer=issuer, subject=issuer, now=now, leeway=leeway)
    if authority not in statement.authority_hints:
        raise SignInRefused(Reason.AUTHORITY_UNKNOWN)
    kind = "openid_provider"
    metadata = {**statement.metadata.get(kind, {}), **trusted.metadata.get(kind, {})}
    metadata = apply_policy(metadata, trusted.policy.get(kind, {}), critical=trusted.critical_operators)
    if metadata.get("issuer", issuer) != issuer or not _leads_a_browser(metadata.get("authorization_endpoint")):
        raise SignInRefused(Reason.METADATA_REFUSED)
    signed_keys_uri = metadata.get("signed_jwks_uri")
    if signed_keys_uri is not None and not is_secure(signed_keys_uri):
        raise SignInRefused(Reason.METADATA_REFUSED)
    try:
        keys = Keys.of(metadata["jwks"]) if "jwks" in metadata else None
    except ValueError:
        raise SignInRefused(Reason.KEYS_INVALID) from None
    if keys is None and signed_keys_uri is None:
        raise SignInRefused(Reason.METADATA_REFUSED)
    return SectoralIdp(
        statement=statement,
        expires_at=min(master.statement.expires_at, trusted.expires_at, statement.expires_at),
        par_endpoint=_endpoint(metadata, "pushed_authorization_request_endpoint"),
        authorization_endpoint=metadata["authorization_endpoint"],
        token_endpoint=_endpoint(metadata, "token_endpoint"),
        signed_keys_uri=signed_keys_uri,
        keys=keys,
    )


def read_list(token: str, master: Master, *, now: datetime, leeway: timedelta) -> tuple[list[ListedIdp], int]:
    """The identity providers for insured people, by name, and when the list expires (seconds since 1970).

    Raises:
        SignInRefused: ``list-invalid``, or ``statement-expired``.
    """
    try:
        claims = verified(token, master.statement.keys, types=frozenset({_LIST_TYPE})).claims
    except NotVerified:
        raise SignInRefused(Reason.LIST_INVALID) from None
    entries = claims.get("idp_entity")
    if claims.get("iss") != master.statement.subject or not isinstance(entries, list) or len(entries) > _MOST_LISTED:
        raise SignInRefused(Reason.LIST_INVALID)
    expires_at = check_times(claims, now=now, leeway=leeway)
    listed: dict[str, ListedIdp] = {}
    for entry in entries:
        if not isinstance(entry, dict):
            raise SignInRefused(Reason.LIST_INVALID)
        issuer, name = entry.get("iss"), entry.get("organization_name")
        # Others than those of insured people (IP) stand in the list as well.
        if entry.get("user_type_supported", "IP") != "IP" or not is_secure(issuer) or not isinstance(name, str):
            continue
        assert isinstance(issuer, str)
        listed[issuer] = ListedIdp(issuer, name[:200])
    return sorted(listed.values(), key=lambda one: one.name.casefold()), expires_at
