"""The first few of many matches, so that all of them need not be put in order for one page."""

from __future__ import annotations

from bisect import insort
from operator import itemgetter

from directory_service.search.fhir.bundle import Match, Page
from directory_service.search.fhir.paging import Place


class FirstMatches:
    """The first few of many matches in their order; the others are counted alone.

    Attributes:
        added: how many there were.
    """

    def __init__(self, size: int, after: Place | None, *, nearest_first: bool) -> None:
        """Takes how many are kept: those of a page, and one that says whether there are more."""
        self.added = 0
        self._key = Place.by_distance if nearest_first else Place.by_fit
        self._after = None if after is None else self._key(after)
        self._size = size
        self._found: list[tuple[tuple[int, int, str, str], Place, Match]] = []

    def add(self, place: Place, match: Match) -> None:
        """Takes the next one, in any order."""
        self.added += 1
        key, found = self._key(place), self._found
        if self._after is not None and key <= self._after:
            return
        if len(found) < self._size or key < found[-1][0]:
            insort(found, (key, place, match), key=itemgetter(0))
            del found[self._size :]

    def page(self, total: int, unknown_hours: int) -> Page:
        """The page that they are."""
        page = self._found[: self._size - 1]
        return Page(
            total=total,
            matches=[match for _, _, match in page],
            next_page=page[-1][1].token() if len(self._found) > len(page) else None,
            unknown_hours=unknown_hours,
        )
