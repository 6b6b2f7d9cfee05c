"""Everything that the index holds of its practices, by slot."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from directory_service.rules.index.kept import NOTHING, Kept
from directory_service.rules.index.map_places import MapPlaces
from directory_service.rules.index.name_order import NameOrder
from directory_service.rules.index.opening_times import OpeningTimes
from directory_service.rules.index.postings import Flags, Postings
from directory_service.rules.index.room import grown
from directory_service.rules.index.vocabulary import Lexicon, Vocabulary
from directory_service.rules.profile import Feature, Grade


def feature_key(feature: Feature, grade: Grade) -> str:
    """The key of a feature with its grade."""
    return f"{feature.value}:{grade.value}"


class Columns:
    """Everything that the index holds, by slot."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.resource_ids: list[str] = []
        self.kept: list[Kept] = []
        self.lexicon = Lexicon()
        self.name_words = Vocabulary(self.lexicon)
        self.other_words = Vocabulary(self.lexicon)
        self.cities = Postings()
        self.postcodes = Postings()
        self.specialties = Postings()
        self.languages = Postings()
        self.features = Postings()
        self.order = NameOrder()
        self.places = MapPlaces()
        self.times = OpeningTimes()
        self.used: Flags = np.zeros(0, dtype=np.bool_)
        self.hidden: Flags = np.zeros(0, dtype=np.bool_)
        self.persons: Flags = np.zeros(0, dtype=np.bool_)
        self.hiding = 0

    @property
    def postings(self) -> Iterator[Postings]:
        """All keys of all kinds."""
        yield from (self.name_words.postings, self.other_words.postings, self.cities, self.postcodes)
        yield from (self.specialties, self.languages, self.features)

    def hide(self, slot: int, *, hidden: bool) -> None:
        """Hides a slot from insured people, or no longer."""
        self.hiding += int(hidden) - int(self.hidden[slot])
        self.hidden[slot] = hidden

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self.resource_ids += [""] * (room - len(self.resource_ids))
        self.kept += [NOTHING] * (room - len(self.kept))
        self.used = grown(self.used, room)
        self.hidden = grown(self.hidden, room)
        self.persons = grown(self.persons, room)
        for postings in self.postings:
            postings.make_room(room)
        for column in (self.order, self.places, self.times):
            column.make_room(room)
