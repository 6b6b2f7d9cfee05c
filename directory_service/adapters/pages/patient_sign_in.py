"""How a patient gets to the search page: signed in at the homeserver, as a client would, and only if she is insured."""

from __future__ import annotations

import hmac
from urllib.parse import urlencode

from aiohttp import web

from directory_service.adapters.account_standings import AccountStandings
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
from directory_service.adapters.pages.sign_in_states import STATE_LIFETIME, SignInStates
from directory_service.rules.standing import Door, Standing
from messenger_core.clock import Clock, present
from messenger_core.rate_limits import RateGuard, address_of

SIGN_IN_PATH = f"{SEARCH_PATH}/anmelden"
RETURN_PATH = f"{SEARCH_PATH}/angemeldet"
SIGN_OUT_PATH = f"{SEARCH_PATH}/abmelden"
# Binds the way back to the browser that began, so that nobody can sign somebody else in as himself.
_STATE_COOKIE = "__Host-hek-sign-in"
_STANDINGS = {
    Standing.UNDECIDED: (503, "page-homeserver-silent"),
    Standing.LOCKED: (403, "page-locked"),
    Standing.OF_THE_HOUSE: (403, "page-insured-only"),
    Standing.IS_PRACTICE: (403, "page-insured-only"),
}


class PatientSignIn:
    """The way in and out, and who is in."""

    def __init__(
        self,
        *,
        frame: Frame,
        sessions: Sessions,
        homeserver: HomeserverSignIn,
        standings: AccountStandings,
        directory: str,
        states: SignInStates,
        guard: RateGuard,
        clock: Clock = present,
    ) -> None:
        """``directory`` is the directory's own address, to which the homeserver sends browsers back."""
        self._states = states
        self._guard = guard
        self._clock = clock
        self._frame = frame
        self._sessions = sessions
        self._homeserver = homeserver
        self._standings = standings
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
        session = await self._sessions.read(request, "insured")
        if session is not None:
            await self._check_account(session.user_id)
            if request.method == "POST" and not session.sent_this(form.get(CSRF_FIELD, "")):
                raise PageFault(403, "page-form-old")
        return Visit("insured", SEARCH_PATH, language_of(request, form), form, session)

    async def _check_account(self, user_id: str) -> None:
        found, _ = await self._standings.at(Door.PATIENT_PAGE, user_id)
        if found is not Standing.ALLOWED:
            raise PageFault(*_STANDINGS[found])

    async def _start(self, request: web.Request) -> web.Response:
        self._guard.check(request)
        state = self._states.issue(self._clock())
        answer = redirect(self._homeserver.start(f"{self._directory}{RETURN_PATH}?{urlencode({'state': state})}"))
        set_private_cookie(answer, _STATE_COOKIE, state, max_age_s=int(STATE_LIFETIME.total_seconds()))
        return answer

    async def _return(self, request: web.Request) -> web.Response:
        self._guard.check(request)
        begun, state = request.cookies.get(_STATE_COOKIE, ""), request.query.get("state", "")
        same = hmac.compare_digest(begun.encode("utf-8", "replace"), state.encode("utf-8", "replace"))
        # Nobody is asked, and nothing stored, for a browser that did not begin here.
        if not same or not self._states.is_own(begun, self._clock()):
            raise PageFault(400, "page-sign-in-lost")
        try:
            client = address_of(request).partition("/")[0]
            user_id = await self._homeserver.finish(request.query.get("loginToken", ""), client)
        except SignInNotConfirmed:
            raise PageFault(403, "page-sign-in-lost") from None
        except HomeserverSilent:
            raise PageFault(503, "page-homeserver-silent") from None
        await self._check_account(user_id)
        answer = redirect(SEARCH_PATH)
        await self._sessions.begin(answer, "insured", user_id)
        answer.del_cookie(_STATE_COOKIE, path="/", secure=True, httponly=True, samesite="Lax")
        return answer

    async def _sign_out(self, request: web.Request) -> web.Response:
        visit = await self.visit(request)
        signed_out = Visit(visit.role, visit.path, visit.language, visit.form)
        answer = self._frame.notice(signed_out, "page-signed-out", status=200, action="sign-in")
        await self._sessions.end(request, answer, "insured")
        return answer
