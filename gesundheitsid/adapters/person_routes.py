"""A person's way through the broker: from her client to her insurer's identity provider, and back with a code."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import urlencode

from aiohttp import web
from sqlalchemy.exc import SQLAlchemyError

from gesundheitsid.adapters.federation import Federation
from gesundheitsid.adapters.idp_client import IdpClient
from gesundheitsid.adapters.limits import Limits
from gesundheitsid.adapters.metrics import Metrics
from gesundheitsid.adapters.pages import HEADERS, Pages
from gesundheitsid.rules.browser import browser_of, cookie_of
from gesundheitsid.rules.provider import (
    AuthorizationRequest,
    Client,
    FaultyRequest,
    pairwise_subject,
    passed_on,
    read_request,
)
from gesundheitsid.rules.refusals import Reason, SignInRefused
from gesundheitsid.store.grants import Grants
from gesundheitsid.store.sign_ins import LIFETIME, NoSignIn, PushedRequest, SignIns
from messenger_core.clock import Clock
from messenger_core.http_service import read_form
from messenger_core.log import fault_without_text
from messenger_core.rate_limits import TooManyRequests
from messenger_core.settings import SettingsError

logger = logging.getLogger(__name__)

AUTHORIZE_PATH = "/authorize"
CALLBACK_PATH = "/callback"
_SENT_AGAIN = "hek_cookie"
"""Stands in the address of a browser that was given a cookie."""
_SECRET = re.compile(r"[A-Za-z0-9_-]{43}")
_LONGEST_CODE = 4_000


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _redirect(address: str, **query: str) -> web.Response:
    joint = "&" if "?" in address else "?"
    return web.Response(
        status=303, headers={**HEADERS, "Location": f"{address}{joint}{urlencode(query)}" if query else address}
    )


class PersonRoutes:
    """``/authorize``, ``/choose`` and ``/callback``; each refusal is a page, a figure and a line in the log."""

    def __init__(
        self,
        *,
        issuer: str,
        clients: Mapping[str, Client],
        fixed_insurer: str | None,
        pairwise_secret: bytes,
        sign_ins: SignIns,
        grants: Grants,
        federation: Federation,
        idp_client: IdpClient,
        pages: Pages,
        metrics: Metrics,
        limits: Limits,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._fixed_insurer = fixed_insurer
        self._pairwise_secret = pairwise_secret
        self._cookie_secret = pairwise_secret
        self._limits = limits
        self._sign_ins = sign_ins
        self._grants = grants
        self._federation = federation
        self._idp_client = idp_client
        self._pages = pages
        self._metrics = metrics
        self._clock = clock
        secure = issuer.startswith("https://")
        self._cookie = "__Host-hek-sign-in" if secure else "hek-sign-in"
        self._secure = secure

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get(AUTHORIZE_PATH, self._guarded(self._authorize))
        app.router.add_post("/choose", self._guarded(self._choose))
        app.router.add_get(CALLBACK_PATH, self._guarded(self._callback))

    def _guarded(
        self, handler: Callable[[web.Request], Awaitable[web.Response]]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except SignInRefused as refusal:
                self._metrics.refused(refusal.reason)
                logger.info("sign-in refused: %s", refusal.reason.value)
                return self._pages.refusal(refusal.reason)
            except TooManyRequests as refusal:
                # Counted and not logged: a flood fills no disk.
                self._metrics.refused(Reason.TOO_MANY)
                return self._pages.refusal(Reason.TOO_MANY, retry_after_s=refusal.retry_after_s)
            except (SQLAlchemyError, SettingsError, OSError) as fault:
                if request.transport is None:
                    raise
                # A full disk, a database that is away, a key file that cannot be read: people get a page all the same.
                logger.error("a sign-in failed: %s", fault_without_text(fault))  # noqa: TRY400 - texts may hold names
                self._metrics.refused(Reason.BROKER_FAILED)
                return self._pages.refusal(Reason.BROKER_FAILED)

        return guarded

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            asked = read_request(request.query, self._clients)
        except FaultyRequest as fault:
            logger.info("a client's request is refused: %s", fault.error)
            query = {"error": fault.error, "error_description": str(fault), "state": fault.state, "iss": self._issuer}
            return _redirect(fault.redirect_uri, **query)
        browser = self._browser(request)
        if browser is None:
            return self._with_cookie(request)
        self._limits.sign_ins.check(request, account=browser)
        handle = _secret()
        await self._sign_ins.begin(asked, handle=handle, browser=browser, now=self._clock())
        if self._fixed_insurer is None:
            answer = self._pages.choice(handle, await self._federation.idps())
        else:
            answer = await self._to_idp(self._fixed_insurer, handle, browser)
        self._set_cookie(answer, browser)
        return answer

    def _with_cookie(self, request: web.Request) -> web.Response:
        """Sends a browser that we do not know yet here once more, with a cookie; nothing is kept of it meanwhile.

        Raises:
            SignInRefused: ``cookies-off``, if it was sent already.
        """
        if _SENT_AGAIN in request.query:
            raise SignInRefused(Reason.COOKIES_OFF)
        answer = _redirect(f"{self._issuer}{AUTHORIZE_PATH}?{request.rel_url.raw_query_string}", **{_SENT_AGAIN: "1"})
        self._set_cookie(answer, _secret())
        return answer

    def _set_cookie(self, answer: web.Response, browser: str) -> None:
        """Gives a browser its cookie, or gives it anew, so that it outlives the sign-in that begins."""
        answer.set_cookie(
            self._cookie,
            cookie_of(self._cookie_secret, browser),
            max_age=int(LIFETIME.total_seconds()),
            path="/",
            secure=self._secure,
            httponly=True,
            # The way back from the identity provider is a link from another site.
            samesite="Lax",
        )

    async def _choose(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        handle, chosen, browser = form.get("handle", ""), form.get("idp", ""), self._browser(request)
        if browser is None or not _SECRET.fullmatch(handle) or self._fixed_insurer is not None:
            raise SignInRefused(Reason.SIGN_IN_UNKNOWN)
        self._limits.sign_ins.check(request, account=browser)
        listed = await self._federation.idps()
        if not chosen:
            return self._pages.choice(handle, listed, nothing_chosen=True)
        if chosen not in {idp.issuer for idp in listed}:
            raise SignInRefused(Reason.INSURER_UNKNOWN)
        return await self._to_idp(chosen, handle, browser)

    async def _to_idp(self, issuer: str, handle: str, browser: str) -> web.Response:
        pushed = PushedRequest(issuer, nonce=_secret(), verifier=_secret())
        # Kept before it is sent: what an identity provider knows, we know as well, whatever happens between.
        if not await self._sign_ins.push(pushed, handle=handle, browser=browser, now=self._clock()):
            raise SignInRefused(Reason.SIGN_IN_UNKNOWN)
        return _redirect(await self._idp_client.push(pushed, handle))

    async def _callback(self, request: web.Request) -> web.Response:
        asked, pushed = await self._taken(request)
        if request.query.get("iss", pushed.idp) != pushed.idp:
            raise SignInRefused(Reason.ANSWER_FOREIGN)
        if "error" in request.query:
            cancelled = request.query["error"] == "access_denied"
            raise SignInRefused(Reason.CANCELLED if cancelled else Reason.PROVIDER_ERROR)
        code = request.query.get("code", "")
        if not 0 < len(code) <= _LONGEST_CODE:
            raise SignInRefused(Reason.ANSWER_INCOMPLETE)
        claims = await self._idp_client.redeem(code, pushed)
        subject = pairwise_subject(self._pairwise_secret, asked.client_id, claims["urn:telematik:claims:id"])
        own_code = _secret()
        await self._grants.give(
            asked,
            {**passed_on(claims, asked.scopes), "sub": subject},
            code=own_code,
            session_id=_secret(),
            now=self._clock(),
        )
        self._metrics.answered()
        return _redirect(asked.redirect_uri, code=own_code, state=asked.state, iss=self._issuer)

    async def _taken(self, request: web.Request) -> tuple[AuthorizationRequest, PushedRequest]:
        state = request.query.get("state", "")
        browser = self._browser(request)
        if not _SECRET.fullmatch(state):
            raise SignInRefused(Reason.SIGN_IN_UNKNOWN)
        self._limits.answers.check(request)
        taken = await self._sign_ins.take(handle=state, browser=browser or "", now=self._clock())
        if isinstance(taken, NoSignIn):
            raise SignInRefused(
                Reason.OTHER_BROWSER if taken is NoSignIn.OF_ANOTHER_BROWSER else Reason.SIGN_IN_UNKNOWN
            )
        return taken

    def _browser(self, request: web.Request) -> str | None:
        return browser_of(self._cookie_secret, request.cookies.get(self._cookie, ""))
