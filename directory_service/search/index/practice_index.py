"""The index of all listed practices in memory; ``search`` is the one way to find any.

Everything here is synchronous and belongs to one thread: a search sees each practice either as it was or as it is.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Sequence

from directory_service.search.fields import SEARCH_FIELDS, SearchField
from directory_service.search.index.columns import Columns, alone, keys_at
from directory_service.search.index.entry import IndexedPractice
from directory_service.search.index.evaluation import Evaluation
from directory_service.search.index.fit import Instead
from directory_service.search.index.kept import NOTHING, Kept, kept
from directory_service.search.index.postings import Slots
from directory_service.search.index.query import SearchPage, SearchPosition, SearchQuery

_FIRST_ROOM = 1024


class PracticeIndex:
    """Finds practices. Give it each practice that is listed, and take away those that no longer are."""

    def __init__(
        self,
        is_medical: Callable[[str], bool] = lambda _word: False,
        instead: Callable[[str, str], Instead] = lambda _word, _before: Instead(),
        fields: Sequence[SearchField] = SEARCH_FIELDS,
    ) -> None:
        """Takes what tells words of medicine, which are no typing errors, and what else a word behind another finds.

        ``fields`` are those whose codes the entries have.
        """
        self._is_medical = is_medical
        self._instead = instead
        self._columns = Columns(fields)
        self._free: list[int] = []
        self._evaluation = Evaluation(self._columns, is_medical, instead)

    def __len__(self) -> int:
        return len(self._columns.slots)

    def __contains__(self, resource_id: str) -> bool:
        return resource_id in self._columns.slots

    def load(self, entries: Iterable[IndexedPractice]) -> None:
        """Replaces everything; much faster than adding one by one. Of entries with the same id the last counts."""
        columns = Columns(self._columns.fields)
        # Nothing that is made here is garbage; looking for some again and again would take most of the time.
        collecting = gc.isenabled()
        gc.disable()
        try:
            columns.load(entries, _FIRST_ROOM)
        finally:
            if collecting:
                gc.enable()
        self._columns = columns
        self._evaluation = Evaluation(columns, self._is_medical, self._instead)
        self._free = list(range(len(columns.kept) - 1, len(columns.slots) - 1, -1))

    def put(self, entry: IndexedPractice) -> None:
        """Takes a practice in, or replaces what is known of it."""
        columns = self._columns
        slot = columns.slots.get(entry.resource_id)
        fresh = slot is None
        if slot is None:
            slot = columns.slots[entry.resource_id] = self._free_slot()
            columns.used.add(slot)
        before = columns.kept[slot]
        after = columns.kept[slot] = kept(entry)
        if fresh:
            columns.order.insert(slot)
        else:
            columns.places.remove(slot, before.specialties)
            if before.name != after.name:
                columns.order.move(slot)
        columns.places.insert(slot, entry.position, after.specialties)
        self._change(slot, before, after)
        columns.times.insert(slot, entry)
        _mark(columns.hidden, slot, entry.hidden)
        _mark(columns.persons, slot, entry.person)

    def remove(self, resource_id: str) -> None:
        """Takes a practice out, if it is there."""
        columns = self._columns
        slot = columns.slots.pop(resource_id, None)
        if slot is None:
            return
        before = columns.kept[slot]
        columns.order.remove(slot)
        columns.places.remove(slot, before.specialties)
        columns.times.remove(slot)
        self._change(slot, before, NOTHING)
        for marked in (columns.used, columns.hidden, columns.persons):
            marked.discard(slot)
        columns.kept[slot] = NOTHING
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

    def _change(self, slot: int, before: Kept, after: Kept) -> None:
        """Puts a slot under other keys."""
        columns = self._columns
        columns.name_words.change(slot, before.name_words, after.name_words)
        columns.all_words.change(slot, before.all_words, after.all_words)
        columns.cities.change(slot, set(alone(before.city)), set(alone(after.city)))
        columns.postcodes.change(slot, set(alone(before.postcode)), set(alone(after.postcode)))
        columns.specialties.change(slot, set(before.specialties), set(after.specialties))
        for number, field in enumerate(columns.fields):
            keys = keys_at(field, number, before.codes), keys_at(field, number, after.codes)
            columns.codes[field.name].change(slot, *keys)


def _mark(marked: Slots, slot: int, flag: bool) -> None:
    marked.add(slot) if flag else marked.discard(slot)
