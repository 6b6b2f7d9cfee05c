"""Finds what a search asked for: the index says what fits texts and places, tests say the rest.

A test is asked of every practice that is left, so a search that the index cannot narrow looks at all of them; it stops
in between, so that others get their turn.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Generator, Iterable
from functools import partial
from itertools import groupby, islice
from typing import Protocol

from directory_service.rules.fhir.asked import Asked
from directory_service.rules.fhir.bundle import Match, Page
from directory_service.rules.fhir.items import Kind, items
from directory_service.rules.fhir.listing import Audience, Listing, Shown
from directory_service.rules.fhir.paging import Place, read_place
from directory_service.rules.fhir.terminology import profession
from directory_service.rules.fhir.texts import TextSearch
from directory_service.rules.fhir.values import FaultyParameter, plain
from directory_service.rules.index.query import Reason, SearchHit, SearchPage, SearchPosition, SearchQuery
from directory_service.rules.opening_hours import OpenState
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Messenger, Position
from directory_service.rules.specialties import SpecialtyTable

_AT_ONCE = 2000
"""How many practices are looked at before others get their turn: some milliseconds."""
_ORDER = tuple(Reason)
_ONE_EACH: dict[Kind, bool] = {
    "HealthcareService": False,
    "Organization": False,
    "PractitionerRole": True,
    "Practitioner": True,
}
"""The kinds of which a practice has one: whether a person's entry, or an organisation's."""

_match: Callable[[tuple[Shown, SearchHit, Messenger | None]], Match] = partial(tuple.__new__, Match)
"""Makes a match without a call of a Python function, which would take as long as looking the practice up."""

Steps = Generator[None, None, Page]
"""A search that looks at many practices; it can be left alone between its steps."""


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
        if asked.nearest_first and query.words:  # the index has the better fit first
            return self._nearest_page(asked, audience, query)
        return self._page_of_index(asked, audience, query)

    def _steps(self, asked: Asked, audience: Audience) -> Steps:
        after = read_place(asked.after) if asked.after is not None else None
        listed = self._listing.shown_to(audience)
        found: list[tuple[Place, Match]] = []
        unknown_hours = 0
        for seen, hit in enumerate(self._candidates(asked, audience), 1):
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
                    found.append((place, Match(shown, hit, item.messenger)))
        yield
        key = Place.by_distance if asked.nearest_first else Place.by_fit
        found.sort(key=lambda match: key(match[0]))
        rest = [match for match in found if after is None or key(match[0]) > key(after)]
        page = rest[: asked.page_size]
        return Page(
            total=len(found),
            matches=[match for _, match in page],
            next_page=page[-1][0].token() if len(rest) > len(page) else None,
            unknown_hours=unknown_hours,
        )

    def _alone(self, asked: Asked, audience: Audience) -> SearchQuery | None:
        """The query with which the index answers the whole search, if one does."""
        named = asked.practices is not None or asked.telematik_ids is not None
        if asked.tests or asked.open_at is not None or named or asked.kind not in _ONE_EACH:
            return None
        words: list[str] = []
        for text, *others in asked.texts:
            if others or text.phrases or text.without or self._listing.by_telematik_id(text.verbatim):
                return None
            words += text.words
        return _query(asked, audience, words, person=_ONE_EACH[asked.kind])

    def _page_of_index(self, asked: Asked, audience: Audience, query: SearchQuery) -> Page:
        try:
            after = SearchPosition.from_token(asked.after) if asked.after is not None else None
        except ValueError:
            raise FaultyParameter("_after", "page") from None
        page = self._index.search(query, count=asked.page_size, after=after)
        listed = self._listing.shown_to(audience)
        return Page(
            page.total,
            [_match((shown, hit, None)) for hit in page.hits if (shown := listed.get(hit.resource_id)) is not None],
            page.next_position.token() if page.next_position else None,
        )

    def _nearest_page(self, asked: Asked, audience: Audience, query: SearchQuery) -> Page:
        """One page of what the index finds, by distance; names are looked at for the page alone."""
        after = read_place(asked.after) if asked.after is not None else None
        listed = self._listing.shown_to(audience)
        hits = sorted(self._hits(query), key=_nearness)
        start = bisect_left(hits, (after.distance_m, after.rank), key=_nearness) if after is not None else 0
        found: list[tuple[Place, Match]] = []
        for (distance_m, rank), alike in groupby(islice(hits, start, None), key=_nearness):
            matches = (Match(shown, hit) for hit in alike if (shown := listed.get(hit.resource_id)) is not None)
            places = [
                (Place(rank, distance_m, plain(match.practice.profile.name), match.hit.resource_id), match)
                for match in matches
            ]
            places.sort(key=lambda one: one[0].by_distance())
            found += [one for one in places if after is None or one[0].by_distance() > after.by_distance()]
            if len(found) > asked.page_size:
                break
        page = found[: asked.page_size]
        return Page(
            total=len(hits),
            matches=[match for _, match in page],
            next_page=page[-1][0].token() if len(found) > len(page) else None,
        )

    def _candidates(self, asked: Asked, audience: Audience) -> Iterable[SearchHit]:
        named = self._named(asked)
        if not (asked.texts or asked.near or asked.specialties or asked.cities or asked.postcodes):
            chosen = self._listing if named is None else named
            return (SearchHit(practice.resource_id, None, None, None) for practice in chosen)
        only = None if named is None else frozenset(practice.resource_id for practice in named)
        hits: dict[str, SearchHit] | None = None
        for group in asked.texts or ((TextSearch(()),),):
            fitting = self._any_of(group, asked, audience, only)
            hits = fitting if hits is None else _worse(hits, fitting)
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
    ) -> dict[str, SearchHit]:
        """What fits any alternative of a text, each practice with its best reason."""
        found: dict[str, SearchHit] = {}
        for text in group:
            hits = [
                hit for hit in self._hits(_query(asked, audience, text.words, only)) if self._has_phrases(text, hit)
            ]
            if typed := self._listing.by_telematik_id(text.verbatim):
                ids = frozenset({typed.resource_id} if only is None or typed.resource_id in only else ())
                hits += [
                    SearchHit(hit.resource_id, Reason.EXACT, hit.distance_m, None)
                    for hit in self._hits(_query(asked, audience, (), ids))
                ]
            for hit in hits:
                known = found.get(hit.resource_id)
                if known is None or _rank(hit) < _rank(known):
                    found[hit.resource_id] = hit
        return found

    def _hits(self, query: SearchQuery) -> tuple[SearchHit, ...]:
        return self._index.search(query, count=max(1, len(self._listing))).hits

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
    person: bool | None = None,
) -> SearchQuery:
    near = asked.near
    return SearchQuery(
        words=tuple(dict.fromkeys(words)),
        specialties=asked.specialties,
        cities=asked.cities,
        postcodes=asked.postcodes,
        origin=Position(near.latitude, near.longitude) if near else None,
        within_m=near.distance_m if near else None,
        for_insured=audience == "insured",
        person=person,
        only=only,
    )


def _nearness(hit: SearchHit) -> tuple[int, int]:
    return hit.distance_m or 0, _rank(hit)


def _rank(hit: SearchHit) -> int:
    return _ORDER.index(hit.reason) if hit.reason else 0


def _worse(one: dict[str, SearchHit], other: dict[str, SearchHit]) -> dict[str, SearchHit]:
    """What is in both, with the worse reason."""
    return {
        resource_id: max(hit, other[resource_id], key=_rank) for resource_id, hit in one.items() if resource_id in other
    }


def searched_text(practice: Practice, specialties: SpecialtyTable) -> str:
    """A practice's folded words, as phrases are looked for in them."""
    profile = practice.profile
    known = profession(practice.telematik_id)
    parts = [profile.name, *map(specialties.display, profile.specialties)]
    if known:
        parts += [known.display, known.called]
    if profile.address:
        parts += [profile.address.line, profile.address.postcode, profile.address.city]
    return plain(" ".join([*parts, practice.telematik_id]))
