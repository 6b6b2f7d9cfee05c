"""One OpenID provider: authorization requests, codes and tokens (OpenID Connect Core 1.0, RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import ALGORITHM, public_jwks
from sandbox.faults import SandboxFault
from sandbox.identity_provider.register import claims_of
from sandbox.people import Agent, Person

_CHOOSING = timedelta(minutes=10)
_CODE_LIFETIME = timedelta(seconds=60)
_TOKEN_LIFETIME = timedelta(minutes=5)
_MOST_OPEN = 10_000
_CHALLENGE_LENGTH = 43


class RequestRefused(SandboxFault):
    """An authorization request that cannot be answered to its sender; shown on a page."""


class TokenRefused(SandboxFault):
    """A request at the token endpoint that is refused.

    Attributes:
        error: the OAuth 2.0 error code.
        status: the HTTP status.
    """

    def __init__(self, error: str, detail: str, status: int = 400) -> None:
        super().__init__(detail)
        self.error = error
        self.status = status


@dataclass(frozen=True, slots=True)
class Client:
    """A relying party: its secret and where people may be sent back to."""

    client_id: str
    secret: str
    redirect_uris: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Asked:
    """An authorization request that waits for a person, or the code that answers it."""

    client_id: str
    redirect_uri: str
    state: str
    nonce: str | None
    challenge: str
    scopes: frozenset[str]
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Answered:
    asked: _Asked
    subject: Person | Agent
    at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Access:
    claims: Mapping[str, Any]
    expires_at: datetime


def _challenge_of(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _back(asked: _Asked, **values: str) -> str:
    joint = "&" if "?" in asked.redirect_uri else "?"
    return f"{asked.redirect_uri}{joint}{urlencode({**values, 'state': asked.state})}"


class Provider:
    """One issuer. What is open (requests, codes, tokens) is in memory: a restart only ends sign-ins under way."""

    def __init__(self, issuer: str, key: ECKey, clients: list[Client], pairwise_secret: str) -> None:
        self.issuer = issuer
        self._key = key
        self._clients = {client.client_id: client for client in clients}
        self._pairwise_secret = pairwise_secret.encode()
        self._asked: dict[str, _Asked] = {}
        self._answered: dict[str, _Answered] = {}
        self._access: dict[str, _Access] = {}

    def metadata(self) -> dict[str, Any]:
        """The discovery document (OpenID Connect Discovery 1.0)."""
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/jwks.json",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": ["openid", "profile", "urn:telematik:display_name", "urn:telematik:versicherter"],
        }

    def jwks(self) -> dict[str, Any]:
        """The public keys."""
        return public_jwks(self._key)

    def ask(self, query: Mapping[str, str], now: datetime) -> tuple[str | None, str]:
        """Takes an authorization request.

        Returns:
            The request's id and an empty address, if a person is to be asked now; None and the address to send the
            browser back to, if the request is faulty in a way that its sender can be told.

        Raises:
            RequestRefused: if client or return address are not known, so that nobody can be told safely.
        """
        client = self._clients.get(query.get("client_id", ""))
        if client is None:
            raise RequestRefused("client_id")
        if query.get("redirect_uri", "") not in client.redirect_uris:
            raise RequestRefused("redirect_uri")
        asked = _Asked(
            client_id=client.client_id,
            redirect_uri=query["redirect_uri"],
            state=query.get("state", ""),
            nonce=query.get("nonce"),
            challenge=query.get("code_challenge", ""),
            scopes=frozenset(query.get("scope", "").split()),
            expires_at=now + _CHOOSING,
        )
        fault = self._fault(query, asked)
        if fault is not None:
            return None, _back(asked, error=fault[0], error_description=fault[1])
        self._forget_old(now)
        request_id = secrets.token_urlsafe(24)
        self._asked[request_id] = asked
        return request_id, ""

    @staticmethod
    def _fault(query: Mapping[str, str], asked: _Asked) -> tuple[str, str] | None:
        if query.get("response_type") != "code":
            return "unsupported_response_type", "only response_type=code is answered"
        if "openid" not in asked.scopes:
            return "invalid_scope", "the scope openid is needed"
        if not asked.state:
            return "invalid_request", "state is needed"
        if query.get("code_challenge_method") != "S256" or len(asked.challenge) != _CHALLENGE_LENGTH:
            return "invalid_request", "PKCE is needed: code_challenge with code_challenge_method=S256"
        return None

    def is_open(self, request_id: str, now: datetime) -> bool:
        """Whether a request still waits for a person."""
        asked = self._asked.get(request_id)
        return asked is not None and now < asked.expires_at

    def answer(self, request_id: str, subject: Person | Agent, now: datetime) -> str:
        """Closes a request with the person who signed in; returns the address to send the browser back to."""
        asked = self._asked.pop(request_id)
        code = secrets.token_urlsafe(32)
        self._answered[code] = _Answered(asked, subject, now, now + _CODE_LIFETIME)
        return _back(asked, code=code, iss=self.issuer)

    def cancel(self, request_id: str) -> str:
        """Closes a request without a sign-in; returns the address to send the browser back to."""
        asked = self._asked.pop(request_id)
        return _back(asked, error="access_denied", error_description="the person cancelled the sign-in")

    def token(self, authorization: str | None, form: Mapping[str, str], now: datetime) -> dict[str, Any]:
        """The answer of the token endpoint.

        Raises:
            TokenRefused: if the client, the code or its verifier are wrong; a code is gone after its first use.
        """
        client = self._authenticated(authorization)
        if form.get("grant_type") != "authorization_code":
            raise TokenRefused("unsupported_grant_type", "only authorization_code is given")
        answered = self._answered.pop(form.get("code", ""), None)
        if answered is None or now >= answered.expires_at or answered.asked.client_id != client.client_id:
            raise TokenRefused("invalid_grant", "the code is unknown, used or expired")
        asked = answered.asked
        if form.get("redirect_uri") != asked.redirect_uri:
            raise TokenRefused("invalid_grant", "redirect_uri is another one than at the authorization request")
        if not hmac.compare_digest(_challenge_of(form.get("code_verifier", "")).encode(), asked.challenge.encode()):
            raise TokenRefused("invalid_grant", "code_verifier does not fit code_challenge")
        access_token = secrets.token_urlsafe(32)
        claims = self._claims(answered)
        self._access[access_token] = _Access(claims, now + _TOKEN_LIFETIME)
        issued = int(now.timestamp())
        id_token = {
            **claims,
            "iss": self.issuer,
            "aud": client.client_id,
            "iat": issued,
            "exp": issued + int(_TOKEN_LIFETIME.total_seconds()),
            "auth_time": int(answered.at.timestamp()),
            "at_hash": base64.urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16])
            .rstrip(b"=")
            .decode(),
        }
        if asked.nonce is not None:
            id_token["nonce"] = asked.nonce
        return {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": int(_TOKEN_LIFETIME.total_seconds()),
            "scope": " ".join(sorted(asked.scopes)),
            "id_token": sign_statement(self._key, id_token),
        }

    def userinfo(self, authorization: str | None, now: datetime) -> Mapping[str, Any] | None:
        """The claims that an access token stands for; None if it is unknown or has expired."""
        scheme, _, token = (authorization or "").partition(" ")
        access = self._access.get(token) if scheme.lower() == "bearer" else None
        return access.claims if access is not None and now < access.expires_at else None

    def _claims(self, answered: _Answered) -> dict[str, Any]:
        name = f"{answered.asked.client_id} {answered.subject.name}".encode()
        sub = hmac.new(self._pairwise_secret, name, hashlib.sha256).hexdigest()
        return {"sub": sub, **claims_of(answered.subject, answered.asked.scopes)}

    def _authenticated(self, authorization: str | None) -> Client:
        scheme, _, credentials = (authorization or "").partition(" ")
        try:
            client_id, _, secret = base64.b64decode(credentials, validate=True).decode().partition(":")
        except ValueError:
            client_id, secret = "", ""
        client = self._clients.get(client_id)
        right = client is not None and hmac.compare_digest(client.secret.encode(), secret.encode())
        if scheme.lower() != "basic" or client is None or not right:
            raise TokenRefused("invalid_client", "the client or its secret are wrong", 401)
        return client

    def _forget_old(self, now: datetime) -> None:
        self._asked = {name: asked for name, asked in self._asked.items() if now < asked.expires_at}
        self._answered = {code: one for code, one in self._answered.items() if now < one.expires_at}
        self._access = {token: one for token, one in self._access.items() if now < one.expires_at}
        while len(self._asked) >= _MOST_OPEN:
            del self._asked[next(iter(self._asked))]
