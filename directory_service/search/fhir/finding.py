"""Finds what a search asked for: the index says what fits texts and places, tests say the rest.

A test is asked of every practice that is left, so a search that the index cannot narrow looks at all of them; it stops
in between, so that others get their turn. A practice that changes meanwhile may be missed, as between two pages.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from datetime import datetime
from typing import Protocol

from directory_service.rules.fhir.items import Kind, items
from directory_service.rules.fhir.listing import Audience, Listing
from directory_service.rules.fhir.terminology import profession
from directory_service.rules.fhir.values import FaultyParameter, plain
from directory_service.rules.opening_hours import OpenState
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Position
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.fhir.asked import Asked
from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.first_matches import FirstMatches
from directory_service.search.fhir.paging import Place, read_place
from directory_service.search.fhir.texts import TextSearch
from directory_service.search.index.fit import LEVELS, reason_for
from directory_service.search.index.query import (
    MAX_DISTANCE_M,
    Reason,
    SearchHit,
    SearchPage,
    SearchPosition,
    SearchQuery,
)

_AT_ONCE = 16
"""How many practices are looked at in a step: some tenths of a millisecond, whatever is asked of each."""
_FROM_INDEX = 2_000
"""How many practices the index is asked for before others get their turn; it begins anew each time."""
_ORDER = tuple(Reason)
_ONE_EACH: dict[Kind, bool] = {
    "HealthcareService": False,
    "Organization": False,
    "PractitionerRole": True,
    "Practitioner": True,
}
"""The kinds of which a practice has one: whether a person's entry, or an organisation's."""

Steps = Generator[None, None, Page]
"""A search that looks at many practices; it can be left alone between its steps."""
_Hits = Generator[None, None, dict[str, SearchHit]]
"""A part of such a search: practices by their logical ids."""


class Index(Protocol):
    """What finds practices by texts and places."""

    def search(self, query: SearchQuery, *, count: int, after: SearchPosition | None = None) -> SearchPage:
        """One page of the practices that fit, in their order."""


class Finding:
    """Searches the listed practices."""

    def __init__(self, listing: Listing, index: Index, specialties: SpecialtyTable) -> None:
        self._listing = listing
        self._index = index
        self._specialties = specialties

    def find(self, asked: Asked, audience: Audience) -> Page | Steps:
        """One page of what fits, or the way to it.

        Raises:
            FaultyParameter: ``page``, if the page's beginning is not one of ours; the steps may raise it as well.
        """
        query = self._alone(asked, audience)
        if query is None:
            return self._steps(asked, audience)
        if asked.nearest_first and query.has_words:  # the index has the better fit first
            return self._nearest_page(asked, audience, query)
        return self._page_of_index(asked, audience, query)

    def _steps(self, asked: Asked, audience: Audience) -> Steps:
        after = read_place(asked.after) if asked.after is not None else None
        listed = self._listing.shown_to(audience)
        first = FirstMatches(asked.page_size + 1, after, nearest_first=asked.nearest_first)
        unknown_hours = 0
        candidates = yield from self._candidates(asked, audience)
        for seen, hit in enumerate(candidates, 1):
            if seen % _AT_ONCE == 0:
                yield
            shown = listed.get(hit.resource_id)
            if shown is None:
                continue
            practice = shown.practice
            for item in items(asked.kind, practice):
                if all(test(item) for test in asked.tests):
                    if asked.open_at is not None:
                        state = practice.profile.open_state(asked.open_at)
                        unknown_hours += state is OpenState.UNKNOWN
                        if state is not OpenState.OPEN:
                            continue
                    place = Place(_rank(hit), hit.distance_m or 0, plain(practice.profile.name), item.resource_id)
                    first.add(place, (shown, hit, item.messenger))
        return first.page(first.added, unknown_hours)

    def _alone(self, asked: Asked, audience: Audience) -> SearchQuery | None:
        """The query with which the index answers the whole search, if one does."""
        named = asked.practices is not None or asked.telematik_ids is not None
        if asked.tests or named or asked.kind not in _ONE_EACH:
            return None
        words: list[str] = []
        alternatives = []
        for group in asked.texts:
            for text in group:
                if text.phrases or text.without or self._listing.by_telematik_id(text.verbatim):
                    return None
            if len(group) == 1:
                words += group[0].words
            else:
                alternatives.append(tuple([text.words for text in group]))
        query = _query(asked, audience, words, person=_ONE_EACH[asked.kind], open_at=asked.open_at)
        query.alternatives = tuple(alternatives)
        return query

    def _page_of_index(self, asked: Asked, audience: Audience, query: SearchQuery) -> Page:
        try:
            after = SearchPosition.from_token(asked.after) if asked.after is not None else None
        except ValueError:
            raise FaultyParameter("_after", "page") from None
        page = self._index.search(query, count=asked.page_size, after=after)
        listed = self._listing.shown_to(audience)
        return Page(
            page.total,
            [(shown, hit, None) for hit in page.hits if (shown := listed.get(hit.resource_id)) is not None],
            page.next_position.token() if page.next_position else None,
            page.unknown_hours,
        )

    def _nearest_page(self, asked: Asked, audience: Audience, query: SearchQuery) -> Page:
        """One page of what the index finds, by distance.

        The index has the better fit first. Of each level it is asked for as many as a page has: what is among the
        nearest of all is among the nearest of its level.
        """
        after = read_place(asked.after) if asked.after is not None else None
        listed = self._listing.shown_to(audience)
        count = asked.page_size + 1
        first = FirstMatches(count, after, nearest_first=True)
        taken: set[str] = set()
        for level in range(LEVELS):
            found = self._index.search(query, count=count, after=_beginning(level, after))
            for hit in found.hits:
                shown = listed.get(hit.resource_id)
                if shown is not None and hit.resource_id not in taken:
                    taken.add(hit.resource_id)
                    name = plain(shown.practice.profile.name)
                    first.add(Place(_rank(hit), hit.distance_m or 0, name, hit.resource_id), (shown, hit, None))
            if found.next_position is None:  # there are no more, of worse levels either
                break
        return first.page(found.total, found.unknown_hours)

    def _candidates(self, asked: Asked, audience: Audience) -> Generator[None, None, Iterable[SearchHit]]:
        named = self._named(asked)
        places = asked.near or asked.cities or asked.postcodes
        if not (asked.texts or places or asked.specialties or asked.conditions):
            chosen = self._listing if named is None else named
            return (SearchHit(practice.resource_id, None, None, None) for practice in chosen)
        only = None if named is None else frozenset(practice.resource_id for practice in named)
        hits: dict[str, SearchHit] | None = None
        for group in asked.texts or ((TextSearch(()),),):
            fitting = yield from self._any_of(group, asked, audience, only)
            hits = fitting if hits is None else (yield from _worse(hits, fitting))
        return (hits or {}).values()

    def _named(self, asked: Asked) -> list[Practice] | None:
        """The only practices that can fit, if the search names them."""
        if asked.telematik_ids is not None:
            found = map(self._listing.by_telematik_id, asked.telematik_ids)
        elif asked.practices is not None:
            found = map(self._listing.get, asked.practices)
        else:
            return None
        return [practice for practice in found if practice is not None]

    def _any_of(
        self, group: tuple[TextSearch, ...], asked: Asked, audience: Audience, only: frozenset[str] | None
    ) -> _Hits:
        """What fits any alternative of a text, each practice with its best reason."""
        found: dict[str, SearchHit] = {}
        for text in group:
            for seen, hit in enumerate(self._hits(_query(asked, audience, text.words, only)), 1):
                if seen % _AT_ONCE == 0:
                    yield
                if self._has_phrases(text, hit):
                    _keep_better(found, hit)
            if typed := self._listing.by_telematik_id(text.verbatim):
                ids = frozenset({typed.resource_id} if only is None or typed.resource_id in only else ())
                for hit in self._hits(_query(asked, audience, (), ids)):
                    _keep_better(found, SearchHit(hit.resource_id, Reason.EXACT, hit.distance_m, None))
        return found

    def _hits(self, query: SearchQuery) -> Iterator[SearchHit]:
        """All that the index finds; it is asked again whenever those that it gave have been taken."""
        after: SearchPosition | None = None
        while True:
            page = self._index.search(query, count=_FROM_INDEX, after=after)
            yield from page.hits
            after = page.next_position
            if after is None:
                return

    def _has_phrases(self, text: TextSearch, hit: SearchHit) -> bool:
        """Whether a practice has the phrases of a text, and none that it excludes."""
        if not (text.phrases or text.without):
            return True
        practice = self._listing.get(hit.resource_id)
        if practice is None:
            return False
        known = f" {searched_text(practice, self._specialties)} "
        return all(phrase in known for phrase in text.phrases) and not any(phrase in known for phrase in text.without)


def _query(
    asked: Asked,
    audience: Audience,
    words: Iterable[str],
    only: frozenset[str] | None = None,
    *,
    person: bool | None = None,
    open_at: datetime | None = None,
) -> SearchQuery:
    near = asked.near
    return SearchQuery(
        words=tuple(dict.fromkeys(words)),
        specialties=asked.specialties,
        cities=asked.cities,
        postcodes=asked.postcodes,
        conditions=asked.conditions,
        origin=Position(near.latitude, near.longitude) if near else None,
        within_m=near.distance_m if near else None,
        open_at=open_at,
        for_insured=audience == "insured",
        person=person,
        only=only,
    )


def _rank(hit: SearchHit) -> int:
    return _ORDER.index(hit.reason) if hit.reason else 0


def _beginning(level: int, after: Place | None) -> SearchPosition:
    """After which position of the index those of a level stand that are behind a place in the order by distance."""
    if after is None:
        return SearchPosition(level, 0, "", "")
    distance_m = min(max(after.distance_m, 0), MAX_DISTANCE_M)
    rank = _ORDER.index(reason_for(level))
    if rank == after.rank:
        return SearchPosition(level, distance_m, after.name, after.resource_id)
    return SearchPosition(level, distance_m if rank > after.rank else distance_m + 1, "", "")


def _keep_better(found: dict[str, SearchHit], hit: SearchHit) -> None:
    known = found.get(hit.resource_id)
    if known is None or _rank(hit) < _rank(known):
        found[hit.resource_id] = hit


def _worse(one: dict[str, SearchHit], other: dict[str, SearchHit]) -> _Hits:
    """What is in both, with the worse reason."""
    both: dict[str, SearchHit] = {}
    for seen, (resource_id, hit) in enumerate(one.items(), 1):
        if seen % _AT_ONCE == 0:
            yield
        if (same := other.get(resource_id)) is not None:
            both[resource_id] = max(hit, same, key=_rank)
    return both


def searched_text(practice: Practice, specialties: SpecialtyTable) -> str:
    """A practice's folded words, as phrases are looked for in them."""
    profile = practice.profile
    known = profession(practice.telematik_id, profile.specialties)
    parts = [profile.name, *map(specialties.display, profile.specialties)]
    if known:
        parts += [known.display, known.called]
    if profile.address:
        parts += [profile.address.line, profile.address.postcode, profile.address.city]
    return plain(" ".join([*parts, practice.telematik_id]))
