"""What the search box suggests while somebody types: specialties by any name, practices, cities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from directory_service.rules.folding import words
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.held import Held
from directory_service.search.index.query import SearchQuery
from directory_service.search.meanings import Meanings

_SPECIALTIES, _PRACTICES, _CITIES = 5, 5, 6
_LOOKED_AT = 200
_SHORTEST = 2


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A text to take over, and what is said beside it (may be empty)."""

    text: str
    note: str = ""


class Suggestions:
    """Suggests from the words of specialties and from the index; nothing of it is stored."""

    def __init__(self, held: Held, specialties: SpecialtyTable, meanings: Meanings) -> None:
        self._held = held
        self._specialties = specialties
        self._meanings = meanings

    def what(self, typed: str) -> list[Suggestion]:
        """For the box of what is looked for: names of specialties with what patients call them, then practices."""
        asked = words(typed)
        if not asked or len(typed.strip()) < _SHORTEST:
            return []
        found = self._said(asked) if len(asked) == 1 else []
        page = self._held.index.search(SearchQuery(name_words=asked), count=_PRACTICES)
        for hit in page.hits:
            practice = self._held.listing.seen_by("insured", hit.resource_id)
            if practice is not None:
                city = practice.profile.address.city if practice.profile.address else ""
                found.append(Suggestion(practice.profile.name, city))
        return list(dict.fromkeys(found))

    def _said(self, asked: Sequence[str]) -> list[Suggestion]:
        """Names for specialties that begin with what was typed; a name that stands for several says so."""
        (word,) = asked
        names = [
            (name != self._specialties.display(code), name)
            for code in self._meanings.codes_of(word)
            for name in self._specialties.names(code)
            if any(one.startswith(word) for one in words(name))
        ]
        found: dict[tuple[str, ...], Suggestion] = {}
        for _, name in sorted(set(names)):
            codes = self._specialties.called(name)
            note = ", ".join(display for code in codes if (display := self._specialties.display(code)) != name)
            found.setdefault(codes, Suggestion(name, f"= {note}" if note else ""))
        return list(found.values())[:_SPECIALTIES]

    def place(self, typed: str) -> list[Suggestion]:
        """For the box of the place: cities with practices."""
        city = " ".join(words(typed))
        if len(city) < _SHORTEST or city[0].isdigit():
            return []
        page = self._held.index.search(SearchQuery(cities=((city,),)), count=_LOOKED_AT)
        found: dict[str, None] = {}
        for hit in page.hits:
            practice = self._held.listing.seen_by("insured", hit.resource_id)
            if practice is not None and practice.profile.address is not None:
                found[practice.profile.address.city] = None
        return [Suggestion(name) for name in sorted(found, key=lambda name: (len(name), name))[:_CITIES]]
