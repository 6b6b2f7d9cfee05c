"""The index of all listed practices in memory; ``search`` is the one way to find any.

Everything here is synchronous and belongs to one thread: a search sees each practice either as it was or as it is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from directory_service.rules.index.columns import Columns, feature_key
from directory_service.rules.index.entry import IndexedPractice
from directory_service.rules.index.evaluation import Evaluation
from directory_service.rules.index.postings import Postings
from directory_service.rules.index.query import SearchPage, SearchPosition, SearchQuery
from directory_service.rules.profile import Feature, Grade, Position

_FIRST_ROOM = 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    """What must be known of a practice to take it out again."""

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
        return set(self.name.split())

    @property
    def other_words(self) -> set[str]:
        return {*self.city.split(), *self.postcode.split(), *self.specialty_words}


def _kept(entry: IndexedPractice) -> _Kept:
    return _Kept(
        entry.resource_id,
        entry.name,
        entry.city,
        entry.postcode,
        entry.specialties,
        entry.specialty_words,
        entry.languages,
        entry.accessibility,
        entry.position,
    )


class PracticeIndex:
    """Finds practices. Give it each practice that is listed, and take away those that no longer are."""

    def __init__(self, is_medical: Callable[[str], bool] = lambda _word: False) -> None:
        """Takes what tells words of medicine, which are never typing errors, from others."""
        self._is_medical = is_medical
        self._columns = Columns()
        self._kept: list[_Kept | None] = []
        self._free: list[int] = []
        self._evaluation = Evaluation(self._columns, is_medical)

    def __len__(self) -> int:
        return len(self._columns.slots)

    def __contains__(self, resource_id: str) -> bool:
        return resource_id in self._columns.slots

    def load(self, entries: Iterable[IndexedPractice]) -> None:
        """Replaces everything; much faster than adding one by one. Of entries with the same id the last counts."""
        newest = {entry.resource_id: entry for entry in entries}
        ordered = sorted(newest.values(), key=lambda entry: (entry.name, entry.resource_id))
        del newest
        columns = self._columns = Columns()
        self._evaluation = Evaluation(columns, self._is_medical)
        room = max(_FIRST_ROOM, len(ordered) + len(ordered) // 8)
        columns.make_room(room)
        self._kept = [None] * room
        self._free = list(range(room - 1, len(ordered) - 1, -1))
        columns.order.load((entry.name, entry.resource_id) for entry in ordered)
        for postings in columns.postings:
            postings.begin_load()
        # Nothing that is made here is garbage; looking for some again and again would take most of the time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._fill_all(ordered)
        finally:
            if collecting:
                gc.enable()

    def _fill_all(self, ordered: list[IndexedPractice]) -> None:
        columns = self._columns
        for slot, entry in enumerate(ordered):
            self._fill(slot, entry)
        columns.name_words.end_load()
        columns.other_words.end_load()
        for postings in (columns.cities, columns.postcodes, columns.specialties, columns.languages, columns.features):
            postings.end_load()

    def put(self, entry: IndexedPractice) -> None:
        """Takes a practice in, or replaces what is known of it."""
        slot = self._columns.slots.get(entry.resource_id)
        if slot is None:
            slot = self._free_slot()
            self._columns.order.insert(slot, (entry.name, entry.resource_id))
            self._fill(slot, entry)
            return
        before = self._kept[slot]
        assert before is not None
        after = _kept(entry)
        if before.name != after.name:
            self._columns.order.remove(slot)
            self._columns.order.insert(slot, (entry.name, entry.resource_id))
        self._change_keys(slot, before, after)
        if before.position != after.position:
            self._columns.places.remove(slot, before.position)
            self._columns.places.insert(slot, after.position)
        self._columns.times.insert(slot, entry)
        self._columns.hide(slot, hidden=entry.hidden)
        self._columns.persons[slot] = entry.person
        self._kept[slot] = after

    def remove(self, resource_id: str) -> None:
        """Takes a practice out, if it is there."""
        columns = self._columns
        slot = columns.slots.pop(resource_id, None)
        if slot is None:
            return
        before = self._kept[slot]
        assert before is not None
        self._change_keys(slot, before, _NOTHING)
        columns.places.remove(slot, before.position)
        columns.times.remove(slot)
        columns.order.remove(slot)
        columns.hide(slot, hidden=False)
        columns.used[slot] = False
        columns.resource_ids[slot], self._kept[slot] = "", None
        self._free.append(slot)

    def search(self, query: SearchQuery, *, count: int, after: SearchPosition | None = None) -> SearchPage:
        """One page of the practices that fit, best first, then nearest, then by name.

        Args:
            query: what must fit; without any part all practices do.
            count: the size of the page; with 0 only the total is told.
            after: the end of the page before.
        """
        return self._evaluation.page(query, count, after)

    def _free_slot(self) -> int:
        if not self._free:
            room = max(_FIRST_ROOM, 2 * len(self._kept))
            self._free = list(range(room - 1, len(self._kept) - 1, -1))
            self._columns.make_room(room)
            self._kept += [None] * (room - len(self._kept))
        return self._free.pop()

    def _fill(self, slot: int, entry: IndexedPractice) -> None:
        columns = self._columns
        after = self._kept[slot] = _kept(entry)
        columns.slots[entry.resource_id] = slot
        columns.resource_ids[slot] = entry.resource_id
        columns.used[slot] = True
        columns.hide(slot, hidden=entry.hidden)
        columns.persons[slot] = entry.person
        columns.places.insert(slot, entry.position)
        columns.times.insert(slot, entry)
        for word in after.name_words:
            columns.name_words.add(word, slot)
        for word in after.other_words:
            columns.other_words.add(word, slot)
        for postings, keys in self._keys(after):
            for key in keys:
                postings.add(key, slot)

    def _change_keys(self, slot: int, before: _Kept, after: _Kept) -> None:
        columns = self._columns
        for vocabulary, old, new in (
            (columns.name_words, before.name_words, after.name_words),
            (columns.other_words, before.other_words, after.other_words),
        ):
            for word in old - new:
                vocabulary.discard(word, slot)
            for word in new - old:
                vocabulary.add(word, slot)
        for (postings, old), (_, new) in zip(self._keys(before), self._keys(after), strict=True):
            for key in old - new:
                postings.discard(key, slot)
            for key in new - old:
                postings.add(key, slot)

    def _keys(self, kept: _Kept) -> tuple[tuple[Postings, set[str]], ...]:
        columns = self._columns
        return (
            (columns.cities, {kept.city} - {""}),
            (columns.postcodes, {kept.postcode} - {""}),
            (columns.specialties, set(kept.specialties)),
            (columns.languages, set(kept.languages)),
            (columns.features, {feature_key(*item) for item in kept.accessibility}),
        )


_NOTHING = _Kept("", "", "", "", (), (), (), (), None)
