"""Who is signed in at the pages: a signed token in a cookie that scripts cannot read and other sites cannot send.

Nothing is stored; whoever is locked is out at once, since every request asks.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from aiohttp import web
from joserfc.jwk import ECKey, KeySet

from messenger_core.service_auth.assertions import StatementRefused, sign_statement, verify_statement

Role = Literal["insured", "practice"]
LIFETIME = timedelta(hours=8)
# The key signs other tokens too; each kind is known by its type, so that none passes for another.
_TOKEN_TYPE = "page-session+jwt"
COOKIES: dict[Role, str] = {"insured": "__Host-hek-search", "practice": "__Host-hek-practice"}
CSRF_FIELD = "csrf"


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        user_id: the Matrix account.
        csrf: what every form of this session has to send back.
    """

    user_id: str
    csrf: str

    def sent_this(self, csrf: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """Issues and reads the cookies of both pages."""

    def __init__(self, directory: str, key: ECKey) -> None:
        """Takes the directory's own address and its signing key."""
        self._directory = directory
        self._key = key

    def _audience(self, role: Role) -> str:
        return f"{self._directory}/pages/{role}"

    def begin(self, answer: web.StreamResponse, role: Role, user_id: str) -> None:
        """Signs somebody in; the cookie ends with the browser, its token after eight hours."""
        issued = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": self._directory,
            "aud": self._audience(role),
            "sub": user_id,
            "iat": issued,
            "exp": issued + int(LIFETIME.total_seconds()),
            "jti": secrets.token_urlsafe(16),
        }
        set_private_cookie(answer, COOKIES[role], sign_statement(self._key, claims, token_type=_TOKEN_TYPE))

    def read(self, request: web.Request, role: Role) -> Session | None:
        """Who sends a request; None if nobody is signed in for this page."""
        token = request.cookies.get(COOKIES[role], "")
        try:
            statement = verify_statement(
                token,
                KeySet([self._key]),
                issuer=self._directory,
                audience=self._audience(role),
                now=datetime.now(UTC),
                max_lifetime=LIFETIME,
                token_type=_TOKEN_TYPE,
            )
        except StatementRefused:
            return None
        # Only who can read the cookie, or a page that it opened, knows its hash.
        return Session(statement.subject, hashlib.sha256(f"csrf {token}".encode()).hexdigest())

    @staticmethod
    def end(answer: web.StreamResponse, role: Role) -> None:
        """Signs somebody out."""
        answer.del_cookie(COOKIES[role], path="/", secure=True, httponly=True, samesite="Lax")


def set_private_cookie(answer: web.StreamResponse, name: str, value: str, *, max_age_s: int | None = None) -> None:
    """A cookie for this host alone that neither scripts nor requests from other sites can use."""
    answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Lax", max_age=max_age_s)
