"""How a search is carried out: sets of practices are brought together, and those that are left are put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import repeat
from typing import NamedTuple

import numpy as np

from directory_service.rules.index.columns import Columns, feature_key
from directory_service.rules.index.fit import EXACT, INFIX, errors_allowed, reason_for
from directory_service.rules.index.map_places import Metres, SlotArray
from directory_service.rules.index.opening_times import numbers_of, state_of
from directory_service.rules.index.postings import Flags, Slots, together
from directory_service.rules.index.query import (
    MAX_DISTANCE_M,
    SearchHit,
    SearchPage,
    SearchPosition,
    SearchQuery,
)
from directory_service.rules.opening_hours import OpenState

_AS_LONG_AS = 30
"""Putting a cell of the map into a set takes as long as measuring so many distances."""
_RANK_BITS = 30
_RANK = (1 << _RANK_BITS) - 1
_UNKNOWN = numbers_of([OpenState.UNKNOWN])[0]

_hit: Callable[[Iterable[object]], SearchHit] = partial(tuple.__new__, SearchHit)
"""Makes a hit without a call of a Python function, which would take most of the time of a page."""

Fits = list[tuple[int, Slots]]
"""The slots that fit at least so well, for each level that has more than the one before; best first."""


class _Rated(NamedTuple):
    """The slots of one level, with their distances if a search has an origin."""

    level: int
    slots: SlotArray
    metres: Metres | None

    def only(self, flags: Flags) -> _Rated:
        """Those that are flagged."""
        return _Rated(self.level, self.slots[flags], None if self.metres is None else self.metres[flags])


class Evaluation:
    """Carries out searches over the columns of an index."""

    def __init__(self, columns: Columns, is_medical: Callable[[str], bool]) -> None:
        self._columns = columns
        self._is_medical = is_medical

    def page(self, query: SearchQuery, count: int, after: SearchPosition | None) -> SearchPage:
        """One page of what fits."""
        rated = self._rated(query)
        unknown = 0
        if query.open_at is not None:
            rated, unknown = self._open(rated, query.open_at, query.open_states)
        chosen = self._first(rated, count + 1, after)
        more = sum(len(keys) for _, keys in chosen) > count
        if more:
            chosen[-1][1].pop()
        hits = [hit for level, keys in chosen for hit in self._hits(query, level, keys)]
        position = self._position(chosen) if hits and more else None
        return SearchPage(sum(len(part.slots) for part in rated), tuple(hits), position, unknown)

    def _rated(self, query: SearchQuery) -> list[_Rated]:
        """All practices that fit but for their opening hours, by level, best first."""
        words = [self._fits(word, names_only=False) for word in query.words]
        words += [self._fits(word, names_only=True) for word in query.name_words]
        if not words:
            return self._measured(query, EXACT, self._narrowed(query, None))
        fits = words[0] if len(words) == 1 else _all_fit(words)
        if not fits:
            return []
        *better, (last, fitting) = fits
        left = self._narrowed(query, fitting)
        rated = []
        for level, slots in better:
            rated += self._measured(query, level, left & slots)
            left = left - slots
        return rated + self._measured(query, last, left)

    def _measured(self, query: SearchQuery, level: int, slots: Slots) -> list[_Rated]:
        if not slots:
            return []
        array = np.frombuffer(slots.to_array(), dtype=np.uint32).astype(np.intp)
        if query.origin is None:
            return [_Rated(level, array, None)]
        return [_Rated(level, *self._columns.places.measured(query.origin, array, query.within_m))]

    def _fits(self, asked: str, *, names_only: bool) -> Fits:
        """The practices that a word fits."""
        columns = self._columns
        word = columns.lexicon.asked(asked, 0 if self._is_medical(asked) else errors_allowed(asked))
        found = columns.name_words.fitting(word)
        if not names_only:
            found += columns.other_words.fitting(word)
            found.sort(key=lambda item: item[0])
        fits: Fits = []
        for level, sets in found:
            better = [fits[-1][1]] if fits else []
            if fits and fits[-1][0] == level:
                fits.pop()
            fits.append((level, together([*better, *sets])))
        return fits

    def _narrowed(self, query: SearchQuery, fitting: Slots | None) -> Slots:
        """Those that all parts of a search leave; of a distance, all that are inside and some more."""
        columns = self._columns
        parts = [*self._filters(query), *([] if fitting is None else [fitting])]
        parts.sort(key=len)
        left = parts[0] if parts else columns.used
        for part in parts[1:]:
            left = left & part
        if query.within_m is not None and query.origin is not None:
            cells = columns.places.cells(query.origin, query.within_m)
            if len(left) > _AS_LONG_AS * len(cells):
                left = together(cells) & left
        if query.for_insured and columns.hidden:
            left = left - columns.hidden
        if query.person:
            left = left & columns.persons
        elif query.person is not None and columns.persons:
            left = left - columns.persons
        return left

    def _filters(self, query: SearchQuery) -> Iterator[Slots]:
        columns = self._columns
        for texts, groups in ((columns.cities, query.cities), (columns.postcodes, query.postcodes)):
            for group in groups:
                yield together([slots for beginning in group for slots in texts.beginning_with(beginning)])
        for codes in query.specialties:
            yield together(columns.specialties.sets(codes))
        for tags in query.languages:
            yield together(columns.languages.sets(tags))
        for features in query.accessibility:
            yield together(columns.features.sets(feature_key(*item) for item in features))
        if query.only is not None:
            yield Slots([columns.slots[one] for one in query.only if one in columns.slots])

    def _open(self, rated: Iterable[_Rated], at: datetime, wanted: Iterable[OpenState]) -> tuple[list[_Rated], int]:
        """Those in a state that is wanted; and how many are left out since nothing is known of them."""
        left, unknown = [], 0
        for part in rated:
            states = self._columns.times.states(at, part.slots)
            keep = np.isin(states, numbers_of(wanted))
            unknown += int(np.count_nonzero(states[~keep] == _UNKNOWN))
            left.append(part.only(keep))
        return left, unknown

    def _first(self, rated: Iterable[_Rated], count: int, after: SearchPosition | None) -> list[tuple[int, list[int]]]:
        """The first of all in their order, by level: the distance and, behind it, the rank as one number."""
        order = self._columns.order
        first = []
        for part in rated:
            if after is not None and part.level < after.level:
                continue
            keys = order.ranks.take(part.slots)
            if part.metres is not None:
                keys |= part.metres << _RANK_BITS
            if after is not None and part.level == after.level:
                rank = order.rank_after((after.name, after.resource_id))
                keys = keys[keys >= after.distance_m << _RANK_BITS | rank]
            if len(keys) > count:
                keys.partition(count - 1)
                keys = keys[:count]
            if len(keys):
                keys.sort()
                first.append((part.level, keys.tolist()))
                count -= len(keys)
            if not count:
                break
        return first

    def _hits(self, query: SearchQuery, level: int, keys: Sequence[int]) -> Iterator[SearchHit]:
        kept, slots = self._columns.kept, self._columns.order.slots
        ids = [kept[slots[key & _RANK]].resource_id for key in keys]
        reason = reason_for(level) if query.words or query.name_words else None
        metres: Iterable[int | None] = repeat(None)
        states: Iterable[OpenState | None] = repeat(None)
        if query.origin is not None:
            metres = [away if (away := key >> _RANK_BITS) < MAX_DISTANCE_M else None for key in keys]
        if query.open_at is not None:
            asked = np.array([slots[key & _RANK] for key in keys], dtype=np.intp)
            states = map(state_of, self._columns.times.states(query.open_at, asked).tolist())
        return map(_hit, zip(ids, repeat(reason), metres, states, strict=False))

    def _position(self, chosen: Sequence[tuple[int, list[int]]]) -> SearchPosition:
        level, key = next((level, keys[-1]) for level, keys in reversed(chosen) if keys)
        kept = self._columns.kept[self._columns.order.slots[key & _RANK]]
        return SearchPosition(level, key >> _RANK_BITS, kept.name, kept.resource_id)


def _all_fit(words: Sequence[Fits]) -> Fits:
    """The practices that all of some words fit; the worst level counts."""
    fits: Fits = []
    for level in range(INFIX + 1):
        if any(level == one for word in words for one, _ in word):
            sets = [[slots for one, slots in word if one <= level][-1:] for word in words]
            if all(sets):
                slots = sorted((one for (one,) in sets), key=len)
                fits.append((level, slots[0].intersection(*slots[1:])))
    return fits
