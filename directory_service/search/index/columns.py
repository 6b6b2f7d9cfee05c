"""Everything that the index holds of its practices, by slot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from directory_service.search.fields import SearchField
from directory_service.search.index.entry import IndexedPractice
from directory_service.search.index.kept import KeptColumns
from directory_service.search.index.map_places import MapPlaces, PositionColumn
from directory_service.search.index.name_order import Key, NameOrder
from directory_service.search.index.opening_times import OpeningTimes, WeekColumn
from directory_service.search.index.postings import Postings, Slots, Texts, members, together
from directory_service.search.index.vocabulary import Lexicon, Vocabulary


def alone(text: str) -> tuple[str, ...]:
    """A text as the only key, if there is one."""
    return (text,) if text else ()


def keys_at(field: SearchField, number: int, codes: tuple[tuple[str, ...], ...]) -> set[str]:
    """The keys that a practice has of a field, from its codes of all fields."""
    return field.keys(codes[number]) if codes else set()


class Columns:
    """Everything that the index holds, by slot."""

    def __init__(self, fields: Sequence[SearchField]) -> None:
        self.fields = fields
        self.slots: dict[str, int] = {}
        self.kept = KeptColumns()
        self.lexicon = Lexicon()
        self.name_words = Vocabulary(self.lexicon)
        self.all_words = Vocabulary(self.lexicon)
        self.cities = Texts()
        self.postcodes = Texts()
        self.specialties = Postings()
        self.codes = {field.name: Postings() for field in fields}
        self.order = NameOrder(self._key)
        self.places = MapPlaces()
        self.times = OpeningTimes()
        self.used = Slots()
        self.hidden = Slots()
        self.persons = Slots()

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        for column in (self.kept, self.order, self.places, self.times):
            column.make_room(room)

    def load(self, entries: Iterable[IndexedPractice], spare: int) -> None:
        """Takes practices into slots 0, 1, 2, … in the order of their names; there are none yet.

        Nothing of an entry is held but what goes into columns: all entries at once would be the most memory that the
        index ever takes, and little of it would go back.

        Args:
            entries: of those with the same id the last counts.
            spare: there is at least room for so many slots, and for an eighth more than are taken.
        """
        kept, newest = self.kept, self.slots
        positions, weeks = PositionColumn(), WeekColumn()
        hidden, persons = bytearray(), bytearray()
        for arrived, entry in enumerate(entries):
            newest[entry.resource_id] = arrived
            kept.append(entry)
            positions.append(entry.position)
            weeks.append(entry)
            hidden.append(entry.hidden)
            persons.append(entry.person)
        # By the id and then by the name, since a key of both would be made for each.
        order = sorted(newest.values(), key=kept.resource_ids.__getitem__)
        order.sort(key=kept.names.__getitem__)
        kept.put_in_order(order)
        count = len(order)
        newest.update(zip(kept.resource_ids, range(count), strict=True))
        self.make_room(max(spare, count + count // 8))
        self.order.load(range(count))
        self.used.update(range(count))
        self.hidden.update(slot for slot, arrived in enumerate(order) if hidden[arrived])
        self.persons.update(slot for slot, arrived in enumerate(order) if persons[arrived])
        self.places.load(positions, order)
        self.times.load(weeks, order)
        del positions, weeks, order
        self._load_keys(count)

    def _load_keys(self, count: int) -> None:
        kept = self.kept
        self.name_words.load(kept.names[:count], str.split)
        self.all_words.load_copy(self.name_words)
        self.all_words.load(kept.cities[:count], str.split)
        self.all_words.load(kept.postcodes[:count], str.split)
        self.all_words.load(kept.specialty_words[:count], tuple)
        self.cities.load(kept.cities[:count], alone)
        self.postcodes.load(kept.postcodes[:count], alone)
        self.specialties.load(kept.specialties[:count], tuple)
        for number, field in enumerate(self.fields):
            self.codes[field.name].load(kept.codes[:count], partial(keys_at, field, number))
        for code in self.specialties:
            self.places.load_specialty(code, members(together(self.specialties.sets((code,)))))
        self.name_words.end_load()
        self.all_words.end_load()

    def _key(self, slot: int) -> Key:
        return self.kept.names[slot], self.kept.resource_ids[slot]
