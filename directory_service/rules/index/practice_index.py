"""The index of all listed practices in memory; ``search`` is the one way to find any.

Everything here is synchronous and belongs to one thread: a search sees each practice either as it was or as it is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable

import numpy as np

from directory_service.rules.index.columns import Columns, feature_key
from directory_service.rules.index.entry import IndexedPractice
from directory_service.rules.index.evaluation import Evaluation
from directory_service.rules.index.kept import NOTHING, Kept, kept
from directory_service.rules.index.postings import Postings
from directory_service.rules.index.query import SearchPage, SearchPosition, SearchQuery
from directory_service.rules.profile import Feature, Grade

_FIRST_ROOM = 1024


class PracticeIndex:
    """Finds practices. Give it each practice that is listed, and take away those that no longer are."""

    def __init__(self, is_medical: Callable[[str], bool] = lambda _word: False) -> None:
        """Takes what tells words of medicine, which are never typing errors, from others."""
        self._is_medical = is_medical
        self._columns = Columns()
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
        self._free = list(range(room - 1, len(ordered) - 1, -1))
        columns.order.load((entry.name, entry.resource_id) for entry in ordered)
        # Nothing that is made here is garbage; looking for some again and again would take most of the time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            self._fill_all(ordered)
        finally:
            if collecting:
                gc.enable()

    def _fill_all(self, ordered: list[IndexedPractice]) -> None:
        columns, number = self._columns, len(ordered)
        columns.kept[:number] = map(kept, ordered)
        columns.resource_ids[:number] = ids = [entry.resource_id for entry in ordered]
        columns.slots.update(zip(ids, range(number), strict=True))
        columns.used[:number] = True
        columns.hidden[:number] = [entry.hidden for entry in ordered]
        columns.hiding = int(np.count_nonzero(columns.hidden))
        columns.persons[:number] = [entry.person for entry in ordered]
        columns.places.load([entry.position for entry in ordered])
        columns.times.load(ordered)
        columns.name_words.load(entry.name for entry in ordered)
        columns.other_words.load(entry.city for entry in ordered)
        columns.other_words.load(entry.postcode for entry in ordered)
        columns.other_words.postings.load((entry.specialty_words for entry in ordered), tuple)
        columns.cities.load((entry.city for entry in ordered), _alone)
        columns.postcodes.load((entry.postcode for entry in ordered), _alone)
        columns.specialties.load((entry.specialties for entry in ordered), tuple)
        columns.languages.load((entry.languages for entry in ordered), tuple)
        columns.features.load((entry.accessibility for entry in ordered), _feature_keys)
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
        before = self._columns.kept[slot]
        after = kept(entry)
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
        self._columns.kept[slot] = after

    def remove(self, resource_id: str) -> None:
        """Takes a practice out, if it is there."""
        columns = self._columns
        slot = columns.slots.pop(resource_id, None)
        if slot is None:
            return
        before = self._columns.kept[slot]
        self._change_keys(slot, before, NOTHING)
        columns.places.remove(slot, before.position)
        columns.times.remove(slot)
        columns.order.remove(slot)
        columns.hide(slot, hidden=False)
        columns.used[slot] = False
        columns.resource_ids[slot], columns.kept[slot] = "", NOTHING
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
            room = max(_FIRST_ROOM, 2 * len(self._columns.kept))
            self._free = list(range(room - 1, len(self._columns.kept) - 1, -1))
            self._columns.make_room(room)
        return self._free.pop()

    def _fill(self, slot: int, entry: IndexedPractice) -> None:
        columns = self._columns
        after = columns.kept[slot] = kept(entry)
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

    def _change_keys(self, slot: int, before: Kept, after: Kept) -> None:
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

    def _keys(self, practice: Kept) -> tuple[tuple[Postings, set[str]], ...]:
        columns = self._columns
        return (
            (columns.cities, set(_alone(practice.city))),
            (columns.postcodes, set(_alone(practice.postcode))),
            (columns.specialties, set(practice.specialties)),
            (columns.languages, set(practice.languages)),
            (columns.features, set(_feature_keys(practice.accessibility))),
        )


def _alone(key: str) -> list[str]:
    return [key] if key else []


def _feature_keys(features: Iterable[tuple[Feature, Grade]]) -> list[str]:
    return [feature_key(*item) for item in features]
