"""How a patient gets to the search page: signed in at the homeserver, as a client would, and only if she is insured."""

from __future__ import annotations

import hmac
import secrets
from urllib.parse import urlencode

from aiohttp import web

from directory_service.adapters.account_locks import AccountLocks
from directory_service.adapters.openid_userinfo import HomeserverSilent
from directory_service.adapters.pages.frame import (
    SEARCH_PATH,
    Frame,
    PageFault,
    Visit,
    language_of,
    read_form,
    redirect,
)
from directory_service.adapters.pages.homeserver_sign_in import HomeserverSignIn, SignInNotConfirmed
from directory_service.adapters.pages.sessions import CSRF_FIELD, Sessions, set_private_cookie
from directory_service.store.practices import PracticeStore

SIGN_IN_PATH = f"{SEARCH_PATH}/anmelden"
RETURN_PATH = f"{SEARCH_PATH}/angemeldet"
SIGN_OUT_PATH = f"{SEARCH_PATH}/abmelden"
# Binds the way back to the browser that began, so that nobody can sign somebody else in as himself.
_STATE_COOKIE = "__Host-hek-sign-in"
_STATE_LIFETIME_S = 15 * 60


class PatientSignIn:
    """The way in and out, and who is in."""

    def __init__(
        self,
        *,
        frame: Frame,
        sessions: Sessions,
        homeserver: HomeserverSignIn,
        practices: PracticeStore,
        locks: AccountLocks,
        directory: str,
    ) -> None:
        """``directory`` is the directory's own address, to which the homeserver sends browsers back."""
        self._frame = frame
        self._sessions = sessions
        self._homeserver = homeserver
        self._practices = practices
        self._locks = locks
        self._directory = directory

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get(SIGN_IN_PATH, self._frame.guarded("insured", self._start))
        app.router.add_get(RETURN_PATH, self._frame.guarded("insured", self._return))
        self._frame.add_form(app, SIGN_OUT_PATH, "insured", self._sign_out)

    async def visit(self, request: web.Request) -> Visit:
        """A request, with who sends it.

        Raises:
            PageFault: if she is locked, nobody can tell, or a form does not come from a page of hers.
        """
        form = await read_form(request)
        session = self._sessions.read(request, "insured")
        if session is not None:
            self._check_account(session.user_id)
            if request.method == "POST" and not session.sent_this(form.get(CSRF_FIELD, "")):
                raise PageFault(403, "page-form-old")
        return Visit("insured", SEARCH_PATH, language_of(request, form), form, session)

    def _check_account(self, user_id: str) -> None:
        if not self._locks.known:
            raise PageFault(503, "page-homeserver-silent")
        if self._locks.is_locked(user_id):
            raise PageFault(403, "page-locked")
        if self._locks.is_of_the_house(user_id):
            raise PageFault(403, "page-insured-only")

    async def _start(self, _request: web.Request) -> web.Response:
        state = secrets.token_urlsafe(24)
        answer = redirect(self._homeserver.start(f"{self._directory}{RETURN_PATH}?{urlencode({'state': state})}"))
        set_private_cookie(answer, _STATE_COOKIE, state, max_age_s=_STATE_LIFETIME_S)
        return answer

    async def _return(self, request: web.Request) -> web.Response:
        begun, state = request.cookies.get(_STATE_COOKIE, ""), request.query.get("state", "")
        if not begun or not hmac.compare_digest(begun.encode("utf-8", "replace"), state.encode("utf-8", "replace")):
            raise PageFault(400, "page-sign-in-lost")
        try:
            user_id = await self._homeserver.finish(request.query.get("loginToken", ""))
        except SignInNotConfirmed:
            raise PageFault(403, "page-sign-in-lost") from None
        except HomeserverSilent:
            raise PageFault(503, "page-homeserver-silent") from None
        self._check_account(user_id)
        if await self._practices.is_practice(user_id):
            raise PageFault(403, "page-insured-only")
        answer = redirect(SEARCH_PATH)
        self._sessions.begin(answer, "insured", user_id)
        answer.del_cookie(_STATE_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    async def _sign_out(self, request: web.Request) -> web.Response:
        visit = await self.visit(request)
        signed_out = Visit(visit.role, visit.path, visit.language, visit.form)
        answer = self._frame.notice(signed_out, "page-signed-out", status=200, action="sign-in")
        self._sessions.end(answer, "insured")
        return answer
