"""The page on which a practice keeps its entry by hand: all that its software could do through the owner API."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

from aiohttp import web

from directory_service.adapters.pages.frame import PRACTICE_PATH, Frame, KeptForm, Visit, redirect
from directory_service.adapters.pages.practice_form import Body, faults_by_place, read_profile_form
from directory_service.adapters.pages.practice_sign_in import SIGN_OUT_PATH, PracticeSignIn
from directory_service.adapters.pages.wording import SPOKEN, Wording
from directory_service.adapters.practice_owner import PracticeOwner
from directory_service.adapters.preconditions import Precondition, etag
from directory_service.adapters.profile_wire import ProfileWire, profile_body
from directory_service.rules.folding import fold
from directory_service.rules.opening_hours import BERLIN, WEEKDAYS, SpecialReason
from directory_service.rules.practice import Practice, PracticeState, is_open_to_insured
from directory_service.rules.profile import Feature, Grade, MessengerKind
from directory_service.rules.profile_types import (
    MOST_BLOCKS,
    MOST_MESSENGERS,
    MOST_SPECIAL_DAYS,
    MOST_SPECIALTIES,
)
from directory_service.rules.specialties import SpecialtyTable
from messenger_core.problem import Problem, parse_body

# A hundred special days with six stretches and a note each, all in letters that a form writes as six.
_LARGEST_PROFILE, _MOST_FIELDS = 512 * 1024, 2_000
PROFILE_PATH = f"{PRACTICE_PATH}/profil"
VISIBILITY_PATH = f"{PRACTICE_PATH}/sichtbarkeit"
LEAVING_PATH = f"{PRACTICE_PATH}/austritt"
LANGUAGE_PATH = f"{PRACTICE_PATH}/sprache"
CONSENT_TEXT = "2026-11"
"""The version of the text ``practice-page-consent-text``; a changed text has another."""
_DONE = ("profile", "visible", "paused")
_REFUSALS = frozenset({"changed-since-read", "profile-missing", "withdrawn", "not-verified", "homeserver-unavailable"})


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with what was sent.

    Attributes:
        text: the key of what is said about all of it; empty if nothing is.
        places: by place on the page, the key of what is said there.
        status: the HTTP status.
    """

    text: str = ""
    places: dict[str, str] = field(default_factory=dict)
    status: int = 200


class PracticePage:
    """``/praxis``."""

    def __init__(
        self, *, frame: Frame, sign_in: PracticeSignIn, owner: PracticeOwner, specialties: SpecialtyTable
    ) -> None:
        self._frame = frame
        self._sign_in = sign_in
        self._owner = owner
        self._specialties = specialties

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get(PRACTICE_PATH, self._frame.guarded("practice", self._show))
        for path, handler in ((VISIBILITY_PATH, self._choose_visibility), (LEAVING_PATH, self._leave)):
            self._frame.add_form(app, path, "practice", handler)
        for path, handler in ((PROFILE_PATH, self._write_profile), (LANGUAGE_PATH, self._change_language)):
            self._frame.add_form(app, path, "practice", handler, most_bytes=_LARGEST_PROFILE, most_fields=_MOST_FIELDS)

    async def _show(self, request: web.Request) -> web.Response:
        came = await self._sign_in.visit(request)
        if came.practice is None:
            return self._sign_in.welcome(came.visit)
        done = request.query.get("done", "")
        return self._page(came.visit, came.practice, done=done if done in _DONE else "")

    async def _write_profile(self, request: web.Request) -> web.Response:
        came = await self._sign_in.visit(request)
        visit, practice = came.visit, came.practice
        if practice is None:
            return self._sign_in.welcome(visit, status=403)
        body = read_profile_form(visit.form, practice)
        try:
            asked = parse_body(ProfileWire, json.dumps(body).encode())
            await self._owner.write_profile(practice.telematik_id, asked, _precondition(visit))
        except Problem as problem:
            return self._page(visit, practice, faults=_faults(problem, body), body=body)
        return redirect(f"{PRACTICE_PATH}?done=profile")

    async def _change_language(self, request: web.Request) -> web.Response:
        """The form as it was filled, in the language that was chosen; nothing is stored."""
        came = await self._sign_in.visit(request)
        if came.practice is None:
            return self._sign_in.welcome(came.visit, status=403)
        return self._page(came.visit, came.practice, body=read_profile_form(came.visit.form, came.practice), done="not")

    async def _choose_visibility(self, request: web.Request) -> web.Response:
        came = await self._sign_in.visit(request)
        visit, practice = came.visit, came.practice
        if practice is None:
            return self._sign_in.welcome(visit, status=403)
        visible = visit.form.get("visible") == "yes"
        if visible and (visit.form.get("consent_text") != CONSENT_TEXT or "agreed" not in visit.form):
            missing = {"agreed": "practice-page-fault-agreed"}
            return self._page(visit, practice, faults=Faults("practice-page-faults", missing, 422))
        try:
            await self._owner.choose_visibility(
                practice.telematik_id, visible=visible, consent_text=CONSENT_TEXT, allowed=_precondition(visit)
            )
        except Problem as problem:
            return self._page(visit, practice, faults=_faults(problem, {}))
        return redirect(f"{PRACTICE_PATH}?done={'visible' if visible else 'paused'}")

    async def _leave(self, request: web.Request) -> web.Response:
        came = await self._sign_in.visit(request)
        visit, practice = came.visit, came.practice
        if practice is None:
            return self._sign_in.welcome(visit, status=403)
        if "leave" not in visit.form:
            missing = {"leave": "practice-page-fault-leave"}
            return self._page(visit, practice, faults=Faults("practice-page-faults", missing, 422))
        try:
            await self._owner.withdraw(practice.telematik_id, _precondition(visit))
        except Problem as problem:
            return self._page(visit, practice, faults=_faults(problem, {}))
        return self._frame.notice(replace(visit, session=None), "practice-page-left", status=200, action="")

    def _page(
        self,
        visit: Visit,
        practice: Practice,
        *,
        faults: Faults | None = None,
        body: Body | None = None,
        done: str = "",
    ) -> web.Response:
        wording = Wording(self._frame.texts, visit.language, self._specialties)
        shown = body if body is not None else profile_body(practice.profile)
        hours = shown["opening_hours"] or {"weekly": None, "special": []}
        consent = practice.consent
        spoken = {tag: wording.spoken(tag) for tag in (*shown["languages"], *SPOKEN)}
        return self._frame.page(
            visit,
            "page_practice.html",
            title="practice-page-title",
            status=faults.status if faults else 200,
            practice=practice,
            state=_state(practice),
            visible=practice.state is PracticeState.OPTED_IN,
            can_be_shown=practice.profile.address is not None and bool(practice.profile.specialties),
            consent=consent,
            consent_day=wording.day(consent.at.astimezone(BERLIN).date()) if consent else "",
            consent_text=CONSENT_TEXT,
            # After a fault the version that was read stays: what somebody else wrote since is not overwritten.
            kept_form=KeptForm("profile", LANGUAGE_PATH),
            etag=visit.form.get("etag") or etag(practice),
            faults=faults or Faults(),
            done=done,
            body=shown,
            address=shown["address"] or {"line": "", "postcode": "", "city": ""},
            hours=hours,
            days=[(day, wording.weekday(number)) for number, day in enumerate(WEEKDAYS)],
            absence=shown["absence"] or {"first_day": "", "last_day": "", "substitute": None},
            accessibility={item["feature"]: item for item in shown["accessibility"]},
            messengers=shown["messengers"] or [],
            rows=_rows,
            specialties=sorted(((code, wording.specialty(code)) for code in self._specialties.codes()), key=_by_name),
            spoken=sorted(spoken.items(), key=_by_name),
            features=[feature.value for feature in Feature],
            grades=[grade.value for grade in Grade],
            kinds=[kind.value for kind in MessengerKind],
            reasons=[reason.value for reason in SpecialReason],
            most={
                "specialties": MOST_SPECIALTIES,
                "messengers": MOST_MESSENGERS,
                "special": MOST_SPECIAL_DAYS,
                "blocks": MOST_BLOCKS,
            },
            profile_path=PROFILE_PATH,
            visibility_path=VISIBILITY_PATH,
            leaving_path=LEAVING_PATH,
            sign_out_path=SIGN_OUT_PATH,
        )


def _by_name(choice: tuple[str, str]) -> str:
    return fold(choice[1])


def _rows(known: list[Body], empty: int, at_least: int, most: int) -> list[Body]:
    """The rows of a list with some empty ones after them."""
    wanted = min(most, max(len(known) + empty, at_least))
    return [*known, *({} for _ in range(wanted - len(known)))]


def _precondition(visit: Visit) -> Precondition:
    """The version that was read, as the page sent it along; a form without one matches none."""
    return Precondition(frozenset({visit.form.get("etag", "")}))


def _state(practice: Practice) -> str:
    """The key of what is said about the practice's state."""
    if practice.state is PracticeState.OPTED_IN and not is_open_to_insured(practice):
        return "practice-page-state-hidden"
    return f"practice-page-state-{practice.state.value}"


def _faults(problem: Problem, body: Body) -> Faults:
    """What a refusal of the owner API means on the page."""
    if problem.errors:
        return Faults("practice-page-faults", faults_by_place(problem.errors, body), 422)
    known = problem.slug if problem.slug in _REFUSALS else "other"
    return Faults(f"practice-page-refused-{known}", status=problem.status)
