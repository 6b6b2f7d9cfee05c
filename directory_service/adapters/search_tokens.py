"""The token that lets an insured person search for a day (gematik: search access token)."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from joserfc.jwk import ECKey, KeySet

from messenger_core.service_auth.assertions import StatementRefused, sign_statement, verify_statement

LIFETIME = timedelta(hours=24)
# The key also signs access tokens; each kind is known by its type, so that none passes for the other.
_TOKEN_TYPE = "search+jwt"


class SearchTokenRefused(Exception):  # noqa: N818 - reads as what happened
    """A search token is missing or not good."""


@dataclass(frozen=True, slots=True)
class SearchTokens:
    """Issues and checks search tokens; they are never stored.

    Attributes:
        directory: the directory's own address.
        key: its signing key.
    """

    directory: str
    key: ECKey

    @property
    def _issuer(self) -> str:
        return f"{self.directory}/tim-authenticate"

    @property
    def _audience(self) -> str:
        return f"{self.directory}/fdv/search"

    def issue(self, user_id: str, now: datetime) -> str:
        """A token for a person whose homeserver confirmed her."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": user_id,
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jti": secrets.token_urlsafe(16),
        }
        return sign_statement(self.key, claims, token_type=_TOKEN_TYPE)

    def check(self, authorization: str | None, now: datetime) -> None:
        """Checks the ``Authorization`` header of a search.

        Raises:
            SearchTokenRefused: if there is no good token.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise SearchTokenRefused
        try:
            verify_statement(
                token.strip(),
                KeySet([self.key]),
                issuer=self._issuer,
                audience=self._audience,
                now=now,
                max_lifetime=LIFETIME,
                token_type=_TOKEN_TYPE,
            )
        except StatementRefused:
            raise SearchTokenRefused from None
