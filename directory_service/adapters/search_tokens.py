"""The token that lets a person or a practice search for a day (gematik: search access token)."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cachetools import LRUCache
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


@dataclass(frozen=True, slots=True)
class SearchBearer:
    """Who holds a search token.

    Attributes:
        user_id: whom it was issued to.
        epoch: of the practice at that moment (``Practice.epoch``); 0 of insured people.
    """

    user_id: str
    epoch: int


class SearchTokens:
    """Issues and checks search tokens; they are never stored.

    A signature that was good once is not checked again: a digest of the token is kept in memory until the token ends.
    """

    def __init__(self, directory: str, key: ECKey) -> None:
        """Takes the directory's own address and its signing key."""
        self.directory = directory
        self._key = key
        self._good: LRUCache[bytes, tuple[SearchBearer, int]] = LRUCache(_REMEMBERED)

    @property
    def _issuer(self) -> str:
        return f"{self.directory}/tim-authenticate"

    def _audience(self, audience: Audience) -> str:
        return self.directory + PATHS[audience]

    def issue(self, user_id: str, audience: Audience, now: datetime, *, epoch: int = 0) -> str:
        """A token for somebody whose homeserver confirmed them; of a practice, for its present epoch."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": self._audience(audience),
            "sub": user_id,
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jti": secrets.token_urlsafe(16),
            "epoch": epoch,
        }
        return sign_statement(self._key, claims, token_type=_TOKEN_TYPE)

    def check(self, authorization: str | None, audience: Audience, now: datetime) -> SearchBearer:
        """Checks the ``Authorization`` header of a search.

        Returns:
            Whom the token was issued to; whether they may still search is not looked at.

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
        epoch = statement.claims.get("epoch", 0)
        bearer = SearchBearer(statement.subject, epoch if isinstance(epoch, int) else 0)
        self._good[digest] = bearer, int(statement.expires_at)
        return bearer
