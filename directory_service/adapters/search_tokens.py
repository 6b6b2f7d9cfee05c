"""The token that lets a person or a practice search for a day (gematik: search access token)."""

from __future__ import annotations

import hashlib
import secrets
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Literal

from joserfc.jwk import ECKey, KeySet

from messenger_core.service_auth.assertions import StatementRefused, sign_statement, verify_statement

Audience = Literal["insured", "practices"]
LIFETIME = timedelta(hours=24)
PATHS: dict[Audience, str] = {"insured": "/fdv/search", "practices": "/search"}
# The key also signs access tokens; each kind is known by its type, so that none passes for the other.
_TOKEN_TYPE = "search+jwt"
_REMEMBERED = 10_000


class SearchTokenRefused(Exception):  # noqa: N818 - reads as what happened
    """A search token is missing or not good."""


class SearchTokens:
    """Issues and checks search tokens; they are never stored.

    A signature that was good once is not checked again: a digest of the token is kept in memory until the token ends.
    """

    def __init__(self, directory: str, key: ECKey) -> None:
        """Takes the directory's own address and its signing key."""
        self.directory = directory
        self._key = key
        self._good: OrderedDict[bytes, tuple[str, int]] = OrderedDict()

    @property
    def _issuer(self) -> str:
        return f"{self.directory}/tim-authenticate"

    def _audience(self, audience: Audience) -> str:
        return self.directory + PATHS[audience]

    def issue(self, user_id: str, audience: Audience, now: datetime) -> str:
        """A token for somebody whose homeserver confirmed them."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience(audience),
            "sub": user_id,
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jti": secrets.token_urlsafe(16),
        }
        return sign_statement(self._key, claims, token_type=_TOKEN_TYPE)

    def check(self, authorization: str | None, audience: Audience, now: datetime) -> str:
        """Checks the ``Authorization`` header of a search.

        Returns:
            The user id that the token was issued to.

        Raises:
            SearchTokenRefused: if there is no good token.
        """
        digest = hashlib.sha256(f"{audience} {authorization}".encode("utf-8", "replace")).digest()
        known = self._good.get(digest)
        if known is not None and now.timestamp() < known[1]:
            return known[0]
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer":
            raise SearchTokenRefused
        try:
            statement = verify_statement(
                token.strip(),
                KeySet([self._key]),
                issuer=self._issuer,
                audience=self._audience(audience),
                now=now,
                max_lifetime=LIFETIME,
                token_type=_TOKEN_TYPE,
            )
        except StatementRefused:
            raise SearchTokenRefused from None
        user_id, ends = statement.subject, int(statement.expires_at)
        self._good[digest] = user_id, ends
        if len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return user_id
