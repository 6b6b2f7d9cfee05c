"""How a practice gets to its page: with a code that its own messenger shows when it searches for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from aiohttp import web

from directory_service.adapters.account_standings import AccountStandings
from directory_service.adapters.pages.frame import (
    PRACTICE_PATH,
    Frame,
    PageFault,
    Visit,
    language_of,
    read_form,
    redirect,
)
from directory_service.adapters.pages.sessions import CSRF_FIELD, Sessions
from directory_service.rules.practice import Practice
from directory_service.rules.sign_in_codes import digest
from directory_service.rules.standing import Door, Standing
from directory_service.store.sign_in_codes import SignInCodes
from messenger_core.rate_limits import RateGuard

SIGN_IN_PATH = f"{PRACTICE_PATH}/anmelden"
SIGN_OUT_PATH = f"{PRACTICE_PATH}/abmelden"
_STANDINGS = {
    Standing.UNDECIDED: (503, "page-homeserver-silent"),
    Standing.WITHDRAWN: (403, "practice-page-left"),
    Standing.ENDED: (403, "page-form-old"),
}


@dataclass(frozen=True, slots=True)
class PracticeVisit:
    """One request, and the practice that sends it; None if nobody is signed in."""

    visit: Visit
    practice: Practice | None


class PracticeSignIn:
    """The way in and out, and who is in."""

    def __init__(
        self,
        *,
        frame: Frame,
        sessions: Sessions,
        standings: AccountStandings,
        codes: SignInCodes,
        guard: RateGuard,
    ) -> None:
        self._guard = guard
        self._frame = frame
        self._sessions = sessions
        self._standings = standings
        self._codes = codes

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        self._frame.add_form(app, SIGN_IN_PATH, "practice", self._sign_in)
        self._frame.add_form(app, SIGN_OUT_PATH, "practice", self._sign_out)

    async def visit(self, request: web.Request) -> PracticeVisit:
        """A request, with the practice that sends it.

        Raises:
            PageFault: if its account is locked, nobody can tell, or a form does not come from a page of its own.
        """
        form = await read_form(request)
        session = await self._sessions.read(request, "practice")
        visit = Visit("practice", PRACTICE_PATH, language_of(request, form), form, session)
        if session is None:
            return PracticeVisit(visit, None)
        practice = await self._practice(Door.PRACTICE_PAGE, session.user_id, session.epoch)
        if request.method == "POST" and not session.sent_this(form.get(CSRF_FIELD, "")):
            raise PageFault(403, "page-form-old")
        return PracticeVisit(visit, practice)

    async def _practice(self, door: Door, user_id: str, epoch: int | None = None) -> Practice:
        found, practice = await self._standings.at(door, user_id, epoch)
        if found is not Standing.ALLOWED or practice is None:
            raise PageFault(*_STANDINGS.get(found, (403, "practice-page-locked")))
        return practice

    def welcome(self, visit: Visit, *, status: int = 200, fault: str = "") -> web.Response:
        """The page on which the code is entered."""
        return self._frame.page(
            visit,
            "page_practice_welcome.html",
            title="practice-page-title",
            status=status,
            fault=fault,
            sign_in_path=SIGN_IN_PATH,
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        self._guard.check(request)
        form = await read_form(request)
        visit = Visit("practice", PRACTICE_PATH, language_of(request, form), form)
        # Another site must not sign a browser in as somebody else; browsers say where a request comes from.
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
            raise PageFault(403, "page-form-old")
        user_id = await self._codes.use(digest(form.get("code", "")[:100]), datetime.now(UTC))
        if user_id is None:
            return self.welcome(visit, status=422, fault="practice-page-code-wrong")
        practice = await self._practice(Door.SIGN_IN_CODE, user_id)
        answer = redirect(PRACTICE_PATH)
        await self._sessions.begin(answer, "practice", user_id, practice.epoch)
        return answer

    async def _sign_out(self, request: web.Request) -> web.Response:
        visit = (await self.visit(request)).visit
        signed_out = Visit(visit.role, visit.path, visit.language, visit.form)
        answer = self._frame.notice(signed_out, "page-signed-out", status=200, action="sign-in")
        await self._sessions.end(request, answer, "practice")
        return answer
