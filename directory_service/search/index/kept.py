"""What must be known of a practice to take it out of the index again, and which words it is found by."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple

from directory_service.search.index.entry import IndexedPractice


class Kept(NamedTuple):
    """The part of an ``IndexedPractice`` that stands in the keys of the index."""

    resource_id: str
    name: str
    city: str
    postcode: str
    specialties: tuple[str, ...]
    specialty_words: tuple[str, ...]
    codes: tuple[tuple[str, ...], ...]

    @property
    def name_words(self) -> set[str]:
        """The words of its name."""
        return set(self.name.split())

    @property
    def all_words(self) -> set[str]:
        """The words of its name, its place and its specialties."""
        return {*self.name.split(), *self.city.split(), *self.postcode.split(), *self.specialty_words}


_values_of = attrgetter(*Kept._fields)
NOTHING = Kept("", "", "", "", (), (), ())
"""A practice that is not there."""


def kept(entry: IndexedPractice) -> Kept:
    """What is kept of an entry."""
    return Kept._make(_values_of(entry))


class KeptColumns:
    """What is kept of each slot, a column for each part: a tuple for each slot would take twice the memory.

    Attributes:
        resource_ids: by slot.
        names: likewise, and so are all that follow.
    """

    def __init__(self) -> None:
        self.resource_ids: list[str] = []
        self.names: list[str] = []
        self.cities: list[str] = []
        self.postcodes: list[str] = []
        self.specialties: list[tuple[str, ...]] = []
        self.specialty_words: list[tuple[str, ...]] = []
        self.codes: list[tuple[tuple[str, ...], ...]] = []

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, slot: int) -> Kept:
        return Kept._make([column[slot] for column in self._all()])

    def __setitem__(self, slot: int, practice: Kept) -> None:
        for column, value in zip(self._all(), practice, strict=True):
            column[slot] = value

    def append(self, entry: IndexedPractice) -> None:
        """Takes what is kept of an entry in behind all others."""
        for column, value in zip(self._all(), _values_of(entry), strict=True):
            column.append(value)

    def put_in_order(self, order: Sequence[int]) -> None:
        """Slot 0 becomes what was in the first slot of an order, and so on; what is not in it is dropped."""
        for column in self._all():
            column[:] = [column[slot] for slot in order]

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        for column, value in zip(self._all(), NOTHING, strict=True):
            column.extend([value] * (room - len(column)))

    def _all(self) -> tuple[list[Any], ...]:
        """The columns in the order of the fields of ``Kept``."""
        return (
            self.resource_ids,
            self.names,
            self.cities,
            self.postcodes,
            self.specialties,
            self.specialty_words,
            self.codes,
        )
