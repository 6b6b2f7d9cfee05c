"""Who is signed in at the pages: a secret in a cookie that scripts cannot read and other sites cannot send.

The session itself lies in the database, by the secret's digest, and ends there: at sign-out, when the account is
locked, when a practice has a new key or leaves, and when it is not used.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from typing import Literal

from aiohttp import web

from directory_service.store.page_sessions import PageSession, PageSessions
from messenger_core.clock import Clock

Role = Literal["insured", "practice"]
COOKIES: dict[Role, str] = {"insured": "__Host-hek-search", "practice": "__Host-hek-practice"}
CSRF_FIELD = "csrf"
_LONGEST_SECRET = 100


@dataclass(frozen=True, slots=True)
class Session:
    """Somebody who is signed in.

    Attributes:
        user_id: the Matrix account.
        epoch: of the practice when the session began; 0 of insured people.
        csrf: what every form of this session has to send back.
    """

    user_id: str
    epoch: int
    csrf: str

    def sent_this(self, csrf: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(self.csrf.encode(), csrf.encode("utf-8", "replace"))


class Sessions:
    """Begins, reads and ends the sessions of both pages."""

    def __init__(self, store: PageSessions, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def begin(self, answer: web.StreamResponse, role: Role, user_id: str, epoch: int = 0) -> None:
        """Signs somebody in; the cookie ends with the browser, the session after eight hours at the latest."""
        secret = secrets.token_urlsafe(32)
        await self._store.add(_digest(secret), PageSession(role, user_id, epoch), self._clock())
        set_private_cookie(answer, COOKIES[role], secret)

    async def read(self, request: web.Request, role: Role) -> Session | None:
        """Who sends a request; None if nobody is signed in for this page."""
        secret = request.cookies.get(COOKIES[role], "")
        if not 0 < len(secret) <= _LONGEST_SECRET:
            return None
        known = await self._store.use(_digest(secret), role, self._clock())
        if known is None:
            return None
        # Only who can read the cookie, or a page that it opened, knows its hash.
        csrf = hashlib.sha256(b"csrf " + secret.encode("utf-8", "replace")).hexdigest()
        return Session(known.user_id, known.epoch, csrf)

    async def end(self, request: web.Request, answer: web.StreamResponse, role: Role) -> None:
        """Signs somebody out: a copy of the cookie is of no use any more either."""
        await self._store.end(_digest(request.cookies.get(COOKIES[role], "")[:_LONGEST_SECRET]))
        answer.del_cookie(COOKIES[role], path="/", secure=True, httponly=True, samesite="Lax")


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()


def set_private_cookie(answer: web.StreamResponse, name: str, value: str, *, max_age_s: int | None = None) -> None:
    """A cookie for this host alone that neither scripts nor requests from other sites can use."""
    answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="Lax", max_age=max_age_s)
