"""The token endpoint's rules: a client assertion in, a short access token out, the same in every component.

Sources: RFC 6749 sections 4.4 and 5.2, RFC 7523, RFC 9068 (the access token is a JWT of type ``at+jwt``).
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from joserfc.jwk import ECKey, KeySet

from messenger_core.problem import Problem
from messenger_core.service_auth.assertions import (
    ASSERTION_LIFETIME,
    StatementRefused,
    sign_statement,
    unverified_issuer,
    verify_statement,
)

ACCESS_TOKEN_LIFETIME = timedelta(minutes=5)
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
GRANT_TYPE = "client_credentials"
_TOKEN_TYPE = "at+jwt"


@dataclass(frozen=True, slots=True)
class Client:
    """A caller that may ask for tokens.

    Attributes:
        epoch: its access tokens carry it; where it is another one later, they are to be refused.
    """

    client_id: str
    keys: KeySet
    scopes: frozenset[str]
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call, and for what purpose, as its access token says.

    Attributes:
        epoch: of the client when it got the token.
    """

    client_id: str
    scope: str
    epoch: int = 0


class ClientRegistry(Protocol):
    """Finds the clients of a component."""

    async def find_client(self, client_id: str) -> Client | None:
        """The client, or None if it is unknown."""
        ...


class ReplayStore(Protocol):
    """Remembers which statements were used; durable and shared by all processes of the component."""

    async def use_once(self, issuer: str, statement_id: str, expires_at: int, now: datetime) -> bool:
        """Marks a statement as used until ``expires_at`` (seconds since 1970); False if it was used before."""
        ...


class TokenRefused(Exception):  # noqa: N818 - RFC 6749 speaks of refused requests
    """The token request is refused.

    Attributes:
        error: the code of RFC 6749, 5.2.
        description: the reason, without any value of the request.
        status: the HTTP status, 400 or 401.
        kind: the kind of problem, which tells apart what RFC 6749 has one code for.
    """

    def __init__(self, error: str, description: str, status: int = 400, kind: str | None = None) -> None:
        super().__init__(description)
        self.error = error
        self.description = description
        self.status = status
        self.kind = kind or error.replace("_", "-")

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer: RFC 6749's members, and those of a problem beside them."""
        problem = Problem(self.status, self.kind, self.description).body()
        return problem | {"error": self.error, "error_description": self.description}


class AccessRefused(Exception):  # noqa: N818 - RFC 6750 speaks of refused access
    """A call's bearer token is missing, wrong or of another scope.

    Attributes:
        error: the code of RFC 6750, 3.1.
        status: the HTTP status, 401 or 403.
        kind: the kind of problem.
    """

    def __init__(self, error: str, description: str, status: int, kind: str | None = None) -> None:
        super().__init__(description)
        self.error = error
        self.status = status
        self.kind = kind or error.replace("_", "-")


@dataclass(frozen=True, slots=True)
class TokenAuthority:
    """Issues and checks the access tokens of one component.

    Attributes:
        issuer: the component's public base address; pinned as issuer and audience of its tokens.
        token_endpoint: the full address of its token endpoint; the only audience that assertions may have.
        key: the component's own signing key, the same in all its processes.
    """

    issuer: str
    token_endpoint: str
    key: ECKey

    async def grant(
        self, form: Mapping[str, str], clients: ClientRegistry, replays: ReplayStore, now: datetime
    ) -> dict[str, Any]:
        """Answers a token request.

        Args:
            form: the fields of the ``application/x-www-form-urlencoded`` body.
            clients: the clients of the component.
            replays: the used statements.
            now: the present moment.

        Returns:
            The JSON body of a 200 answer.

        Raises:
            TokenRefused: with the code and status of RFC 6749.
        """
        if form.get("grant_type") != GRANT_TYPE:
            raise TokenRefused("unsupported_grant_type", f"grant_type must be {GRANT_TYPE}")
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise TokenRefused("invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}")
        assertion = form.get("client_assertion", "")
        try:
            client_id = unverified_issuer(assertion)
            client = await clients.find_client(client_id)
            if client is None:
                raise StatementRefused("the client is unknown")
            statement = verify_statement(
                assertion,
                client.keys,
                issuer=client_id,
                audience=self.token_endpoint,
                now=now,
                max_lifetime=ASSERTION_LIFETIME,
            )
            if statement.subject != client_id:
                raise StatementRefused("issuer and subject must both be the client")
        except StatementRefused as refusal:
            kind = "assertion-expired" if refusal.expired else "assertion-invalid"
            raise TokenRefused("invalid_client", f"client_assertion: {refusal}", 401, kind) from None
        scope = form.get("scope", "")
        if scope not in client.scopes:
            raise TokenRefused("invalid_scope", f"ask for exactly one of: {' '.join(sorted(client.scopes))}")
        if not await replays.use_once(client_id, statement.statement_id, statement.expires_at, now):
            raise TokenRefused(
                "invalid_client", "client_assertion: it was used before (jti)", 401, "assertion-replayed"
            )
        return {
            "access_token": self._access_token(client, scope, now),
            "token_type": "Bearer",
            "expires_in": int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            "scope": scope,
        }

    def _access_token(self, client: Client, scope: str, now: datetime) -> str:
        issued = int(now.timestamp())
        claims = {
            "iss": self.issuer,
            "aud": self.issuer,
            "sub": client.client_id,
            "client_id": client.client_id,
            "scope": scope,
            "epoch": client.epoch,
            "iat": issued,
            "exp": issued + int(ACCESS_TOKEN_LIFETIME.total_seconds()),
            "jti": secrets.token_urlsafe(16),
        }
        return sign_statement(self.key, claims, token_type=_TOKEN_TYPE)

    def check_access(self, authorization: str | None, scope: str, now: datetime) -> Caller:
        """Checks the ``Authorization`` header of a call.

        Raises:
            AccessRefused: 401 if the token is missing or not good, 403 if it is for another purpose.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise AccessRefused(
                "invalid_request", "an access token is needed: Authorization: Bearer …", 401, "token-missing"
            )
        try:
            statement = verify_statement(
                token.strip(),
                KeySet([self.key]),
                issuer=self.issuer,
                audience=self.issuer,
                now=now,
                max_lifetime=ACCESS_TOKEN_LIFETIME,
                token_type=_TOKEN_TYPE,
            )
        except StatementRefused as refusal:
            kind = "token-expired" if refusal.expired else None
            raise AccessRefused("invalid_token", f"access token: {refusal}", 401, kind) from None
        if statement.claims.get("scope") != scope:
            raise AccessRefused("insufficient_scope", f"this call needs a token with the scope {scope}", 403)
        epoch = statement.claims.get("epoch", 0)
        return Caller(statement.subject, scope, epoch if isinstance(epoch, int) else 0)
