"""The page on which patients look for practices.

What is searched stands in no address: forms are sent with POST and answers are not kept, so that neither the browser's
history nor a log has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime

from aiohttp import web

from directory_service.adapters.pages.frame import LANGUAGE_FIELD, SEARCH_PATH, Frame, KeptForm, Visit
from directory_service.adapters.pages.patient_sign_in import SIGN_IN_PATH, SIGN_OUT_PATH, PatientSignIn
from directory_service.adapters.pages.place_finder import PlaceFinder
from directory_service.adapters.pages.result_view import ResultView, result_view
from directory_service.adapters.pages.search_form import (
    GRADES,
    OPENING,
    WITHIN_KM,
    FaultyForm,
    SearchForm,
    Understood,
    read_search,
    understood,
)
from directory_service.adapters.pages.suggestions import Suggestions
from directory_service.adapters.pages.wording import SPOKEN, Wording
from directory_service.rules.folding import fold
from directory_service.rules.places import PostcodeCentroids
from directory_service.rules.profile import Feature
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.held import Held
from directory_service.search.index.query import SearchQuery
from directory_service.search.meanings import Meanings
from messenger_core.clock import Clock

SUGGESTIONS_PATH = f"{SEARCH_PATH}/vorschlaege"
_PER_PAGE = 10
_FORM = KeptForm("search", SEARCH_PATH)
_LONGEST_TYPED = 100


@dataclass(frozen=True, slots=True)
class MeaningView:
    """What a word was taken for: each specialty with its code, and the names of those that it may not hold for."""

    word: str
    specialties: tuple[tuple[str, str], ...]
    uncertain: str


@dataclass(frozen=True, slots=True)
class Found:
    """What the page shows of a search.

    Attributes:
        total: how many practices fit.
        results: those of this page.
        order: why they stand in this order.
        read_as: the city that the place was taken for; empty if it was taken as it stands.
        meanings: what words were taken for.
        unknown_hours: how many more would fit if they had said their hours.
        next_page: the value that asks for the next page; empty on the last.
        is_first: whether this is the first page.
    """

    total: int
    results: tuple[ResultView, ...]
    order: str
    read_as: str
    meanings: tuple[MeaningView, ...]
    unknown_hours: int
    next_page: str
    is_first: bool


class SearchPage:
    """``/praxissuche``."""

    def __init__(
        self,
        *,
        frame: Frame,
        sign_in: PatientSignIn,
        held: Held,
        specialties: SpecialtyTable,
        postcodes: PostcodeCentroids,
        clock: Clock,
    ) -> None:
        self._frame = frame
        self._clock = clock
        self._sign_in = sign_in
        self._held = held
        self._specialties = specialties
        self._meanings = Meanings(specialties)
        self._places = PlaceFinder(held, postcodes)
        self._suggestions = Suggestions(held, specialties, self._meanings)
        self._own_places = frozenset(frame.texts.text("search-page-here", language) for language in ("de", "en"))

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get(SEARCH_PATH, self._frame.guarded("insured", self._show))
        app.router.add_post(SEARCH_PATH, self._frame.guarded("insured", self._search))
        app.router.add_post(SUGGESTIONS_PATH, self._frame.guarded("insured", self._suggest))

    async def _show(self, request: web.Request) -> web.Response:
        visit = await self._sign_in.visit(request)
        return self._welcome(visit) if visit.session is None else self._page(visit, SearchForm())

    async def _search(self, request: web.Request) -> web.Response:
        visit = await self._sign_in.visit(request)
        if visit.session is None:
            return self._welcome(visit, 403)
        form = read_search(visit.form, self._own_places)
        if LANGUAGE_FIELD in visit.form and "sent" not in visit.form:
            return self._page(visit, form)  # what was typed was not sent yet
        now = self._clock()
        try:
            means = understood(form, self._places, now)
        except FaultyForm as fault:
            return self._page(visit, form, fault=fault)
        return self._page(visit, form, found=self._found(visit, form, means, now))

    def _found(self, visit: Visit, form: SearchForm, means: Understood, now: datetime) -> Found:
        wording = Wording(self._frame.texts, visit.language, self._specialties)
        page = self._held.index.search(means.query, count=_PER_PAGE, after=form.after)
        practices = ((self._held.listing.seen_by("insured", hit.resource_id), hit) for hit in page.hits)
        return Found(
            total=page.total,
            results=tuple(
                result_view(practice, hit, wording, now) for practice, hit in practices if practice is not None
            ),
            order=wording.text(_order(means.query)),
            read_as=means.read_as,
            meanings=tuple(
                MeaningView(
                    meaning.word,
                    tuple((code, wording.specialty(code)) for code in meaning.codes),
                    wording.joined(meaning.uncertain, wording.specialty),
                )
                for meaning in self._meanings.of([form.what])
            ),
            unknown_hours=page.unknown_hours,
            next_page=page.next_position.token() if page.next_position else "",
            is_first=form.after is None,
        )

    def _welcome(self, visit: Visit, status: int = 200) -> web.Response:
        return self._frame.page(
            visit, "page_welcome.html", title="search-page-title", status=status, sign_in_path=SIGN_IN_PATH
        )

    def _page(
        self, visit: Visit, form: SearchForm, *, found: Found | None = None, fault: FaultyForm | None = None
    ) -> web.Response:
        wording = Wording(self._frame.texts, visit.language, self._specialties)
        return self._frame.page(
            visit,
            "page_search.html",
            title="search-page-results-title" if found else "search-page-title",
            status=422 if fault else 200,
            kept_form=_FORM,
            form=form,
            found=found,
            fault=fault,
            sent_features={feature.value: grade for feature, grade in form.features},
            within=WITHIN_KM,
            opening=OPENING,
            grades=GRADES,
            features=[feature.value for feature in Feature],
            specialties=_named(self._specialties.codes(), wording.specialty),
            spoken=_named(SPOKEN, wording.spoken),
            without=_without,
            suggestions_path=SUGGESTIONS_PATH,
            sign_out_path=SIGN_OUT_PATH,
        )

    async def _suggest(self, request: web.Request) -> web.Response:
        visit = await self._sign_in.visit(request)
        if visit.session is None:
            return web.json_response([], status=403, headers={"Cache-Control": "no-store"})
        typed = visit.form.get("typed", "")[:_LONGEST_TYPED]
        suggest = self._suggestions.place if visit.form.get("field") == "place" else self._suggestions.what
        told = [{"text": one.text, "note": one.note} for one in suggest(typed)]
        return web.json_response(told, headers={"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})


def _named(values: Iterable[str], say: Callable[[str], str]) -> list[tuple[str, str]]:
    """Choices with their names, by name."""
    return sorted(((value, say(value)) for value in values), key=lambda choice: fold(choice[1]))


def _without(form: SearchForm, *names: str) -> list[tuple[str, str]]:
    """The fields of a search but for some."""
    return [(name, value) for name, value in form.fields() if name not in names]


def _order(query: SearchQuery) -> str:
    """Why results stand in their order, by what was asked."""
    if query.words:
        return "search-page-order-words-distance" if query.origin else "search-page-order-words"
    return "search-page-order-distance" if query.origin else "search-page-order-name"
