"""Everything that the index holds of its practices, by slot."""

from __future__ import annotations

from directory_service.rules.index.kept import NOTHING, Kept
from directory_service.rules.index.map_places import MapPlaces
from directory_service.rules.index.name_order import Key, NameOrder
from directory_service.rules.index.opening_times import OpeningTimes
from directory_service.rules.index.postings import Postings, Slots, Texts
from directory_service.rules.index.vocabulary import Lexicon, Vocabulary
from directory_service.rules.profile import Feature, Grade


def feature_key(feature: Feature, grade: Grade) -> str:
    """The key of a feature with its grade."""
    return f"{feature.value}:{grade.value}"


class Columns:
    """Everything that the index holds, by slot."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self.kept: list[Kept] = []
        self.lexicon = Lexicon()
        self.name_words = Vocabulary(self.lexicon)
        self.other_words = Vocabulary(self.lexicon)
        # Few of them begin alike, and somebody mostly writes them whole: sets for beginnings would be memory alone.
        self.cities = Texts(short=0)
        self.postcodes = Texts(short=0)
        self.specialties = Postings()
        self.languages = Postings()
        self.features = Postings()
        self.order = NameOrder(self._key)
        self.places = MapPlaces()
        self.times = OpeningTimes()
        self.used = Slots()
        self.hidden = Slots()
        self.persons = Slots()

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self.kept += [NOTHING] * (room - len(self.kept))
        for column in (self.order, self.places, self.times):
            column.make_room(room)

    def _key(self, slot: int) -> Key:
        kept = self.kept[slot]
        return kept.name, kept.resource_id
