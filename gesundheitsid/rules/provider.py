"""Plain OpenID Connect towards our clients: what they may ask, and what their tokens say (OpenID Connect Core 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from gesundheitsid.rules.refusals import Reason, SignInRefused

CODE_LIFETIME = timedelta(seconds=60)
TOKEN_LIFETIME = timedelta(minutes=5)
ALGORITHM = "ES256"
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_LONGEST = 2_000
_SCOPE_CLAIMS = {
    "urn:telematik:display_name": ("urn:telematik:display_name",),
    "urn:telematik:versicherter": (
        "urn:telematik:claims:id",
        "urn:telematik:claims:organization",
        "urn:telematik:claims:profession",
    ),
}
_ALWAYS = ("acr", "amr", "auth_time", "urn:telematik:auth:interactive", "urn:telematik:auth:consent")
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"


@dataclass(frozen=True, slots=True)
class Client:
    """Who may ask for sign-ins, e.g. the homeserver."""

    client_id: str
    secret: str
    redirect_uris: frozenset[str]
    logout_uri: str | None


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """A client's authorization request."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str | None
    challenge: str
    scopes: frozenset[str]


class FaultyRequest(Exception):  # noqa: N818 - reads as what happened
    """A faulty request of a client that can be told so (OAuth 2.0, 4.1.2.1).

    Attributes:
        error: the code.
        redirect_uri: where the browser goes back to.
        state: the client's.
    """

    def __init__(self, error: str, detail: str, redirect_uri: str, state: str) -> None:
        super().__init__(detail)
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state


def read_request(query: Mapping[str, str], clients: Mapping[str, Client]) -> AuthorizationRequest:
    """Checks an authorization request.

    Raises:
        SignInRefused: ``client-unknown`` or ``redirect-unknown``: nobody could be told safely.
        FaultyRequest: for any other fault.
    """
    client = clients.get(query.get("client_id", ""))
    if client is None:
        raise SignInRefused(Reason.CLIENT_UNKNOWN)
    redirect_uri = query.get("redirect_uri", "")
    if redirect_uri not in client.redirect_uris:
        raise SignInRefused(Reason.REDIRECT_UNKNOWN)
    state, scopes = query.get("state", ""), frozenset(query.get("scope", "").split())

    def wrong(error: str, detail: str) -> FaultyRequest:
        return FaultyRequest(error, detail, redirect_uri, state[:_LONGEST])

    if query.get("response_type") != "code":
        raise wrong("unsupported_response_type", "only response_type=code is answered")
    if query.get("response_mode", "query") != "query":
        raise wrong("invalid_request", "only response_mode=query is answered")
    if "openid" not in scopes:
        raise wrong("invalid_scope", "the scope openid is needed")
    if query.get("prompt") == "none":
        raise wrong("login_required", "every sign-in is a new identification")
    nonce = query.get("nonce")
    if not state or not all(len(value) <= _LONGEST and value.isprintable() for value in (state, nonce or "")):
        raise wrong("invalid_request", "state is needed; state and nonce have at most 2000 printable characters")
    challenge = query.get("code_challenge", "")
    if query.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise wrong("invalid_request", "PKCE is needed: code_challenge with code_challenge_method=S256")
    return AuthorizationRequest(client.client_id, redirect_uri, state, nonce, challenge, scopes)


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def fits(verifier: str, challenge: str) -> bool:
    """Whether a verifier belongs to a challenge."""
    return bool(_VERIFIER.fullmatch(verifier)) and hmac.compare_digest(challenge_of(verifier), challenge)


def authenticated(authorization: str | None, clients: Mapping[str, Client]) -> Client | None:
    """The client of a ``client_secret_basic`` header; None if it is not one, or the secret is wrong."""
    scheme, _, credentials = (authorization or "").partition(" ")
    try:
        client_id, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
    except ValueError:
        return None
    client = clients.get(client_id)
    right = hmac.compare_digest((client.secret if client else "").encode(), secret.encode())
    return client if client is not None and right and secret and scheme.lower() == "basic" else None


def pairwise_subject(secret: bytes, client_id: str, kvnr: str) -> str:
    """A person's ``sub`` at one client: the same for ever, another one for each client, and without a way back."""
    return hmac.new(secret, f"{client_id}\0{kvnr}".encode(), hashlib.sha256).hexdigest()


def passed_on(claims: Mapping[str, Any], scopes: frozenset[str]) -> dict[str, Any]:
    """What a client learns of the identity provider's claims, under gematik's names."""
    names = [*_ALWAYS, *(name for scope in sorted(scopes) for name in _SCOPE_CLAIMS.get(scope, ()))]
    return {name: claims[name] for name in names if name in claims}


def id_token(
    claims: Mapping[str, Any],
    *,
    issuer: str,
    client_id: str,
    nonce: str | None,
    session: str,
    access: str,
    now: datetime,
) -> dict[str, Any]:
    """The claims of our ID token.

    Args:
        claims: of the person, with ``sub``.
        issuer: our address.
        client_id: for whom it is.
        nonce: of the client's request.
        session: its ``sid``.
        access: the access token given beside it.
        now: the present moment.
    """
    issued = int(now.timestamp())
    digest = hashlib.sha256(access.encode()).digest()[:16]
    token = {
        **claims,
        "iss": issuer,
        "aud": client_id,
        "iat": issued,
        "exp": issued + int(TOKEN_LIFETIME.total_seconds()),
        "sid": session,
        "at_hash": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
    }
    return token if nonce is None else {**token, "nonce": nonce}


def logout_token(
    *, issuer: str, client_id: str, subject: str, session: str, token_id: str, now: datetime
) -> dict[str, Any]:
    """The claims that tell a client that a session has ended (OpenID Connect Back-Channel Logout 1.0, 2.4)."""
    issued = int(now.timestamp())
    return {
        "iss": issuer,
        "aud": client_id,
        "iat": issued,
        "exp": issued + 120,
        "jti": token_id,
        "sub": subject,
        "sid": session,
        "events": {LOGOUT_EVENT: {}},
    }


def discovery(issuer: str) -> dict[str, Any]:
    """The discovery document (OpenID Connect Discovery 1.0)."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks.json",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "scopes_supported": ["openid", *_SCOPE_CLAIMS],
        "claims_supported": ["sub", *_ALWAYS, *(name for names in _SCOPE_CLAIMS.values() for name in names)],
        "authorization_response_iss_parameter_supported": True,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
    }
