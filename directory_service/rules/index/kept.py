"""What must be known of a practice to take it out of the index again, and which words it is found by."""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from directory_service.rules.index.entry import IndexedPractice
from directory_service.rules.profile import Feature, Grade, Position


class Kept(NamedTuple):
    """The part of an ``IndexedPractice`` that stands in the keys of the index."""

    resource_id: str
    name: str
    city: str
    postcode: str
    specialties: tuple[str, ...]
    specialty_words: tuple[str, ...]
    languages: tuple[str, ...]
    accessibility: tuple[tuple[Feature, Grade], ...]
    position: Position | None

    @property
    def name_words(self) -> set[str]:
        """The words of its name."""
        return set(self.name.split())

    @property
    def other_words(self) -> set[str]:
        """The words of its place and its specialties."""
        return {*self.city.split(), *self.postcode.split(), *self.specialty_words}


_values_of = attrgetter(*Kept._fields)
NOTHING = Kept("", "", "", "", (), (), (), (), None)
"""A practice that is not there."""


def kept(entry: IndexedPractice) -> Kept:
    """What is kept of an entry."""
    return Kept._make(_values_of(entry))
