"""How a search is carried out: from its most selective part, through all others, to the page in its order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.index.columns import Columns, feature_key
from directory_service.rules.index.fit import NO_MATCH, PREFIX, errors_allowed, reason_for
from directory_service.rules.index.map_places import whole_metres
from directory_service.rules.index.opening_times import numbers_of, state_of
from directory_service.rules.index.postings import Flags, Postings, Slots
from directory_service.rules.index.query import (
    MAX_DISTANCE_M,
    SearchHit,
    SearchPage,
    SearchPosition,
    SearchQuery,
)
from directory_service.rules.opening_hours import OpenState

Levels = NDArray[np.uint8]
Distances = NDArray[np.float64]
_FEW = 256
"""Up to so many are sorted; of more those of the page are picked out first."""
_AS_LONG_AS = 20
"""Looking at the words of one practice takes as long as looking at the practices of so many words."""
_DISTANCE_BITS, _RANK_BITS = 26, 30


@dataclass(frozen=True)
class _Keys:
    """Some keys of one kind; a practice fits with any of them."""

    postings: Postings
    keys: Sequence[str]

    def size(self, enough: int) -> int:
        """How many slots there are, counted for each key; from ``enough`` on not all are."""
        return self.postings.size(self.keys, enough)


@dataclass(frozen=True)
class _Word:
    """A word of the search with all words that it fits, worst level first."""

    text: str
    names_only: bool
    fitting: tuple[tuple[int, _Keys], ...]

    def size(self, enough: int) -> int:
        """How many slots there are, counted for each word; from ``enough`` on not all are."""
        size = 0
        for _, keys in self.fitting:
            if size < enough:
                size += keys.size(enough - size)
        return size

    @cached_property
    def number(self) -> int:
        """How many words it fits."""
        return sum(len(keys.keys) for _, keys in self.fitting)


@dataclass(frozen=True, slots=True)
class _Fitting:
    """Slots that fit, each once, with their levels, and with their distances when those are known."""

    slots: Slots
    levels: Levels
    distances: Distances | None = None

    def only(self, flags: Flags) -> _Fitting:
        """Those that are flagged."""
        distances = None if self.distances is None else self.distances[flags]
        return _Fitting(self.slots[flags], self.levels[flags], distances)


def _unrated(slots: Slots) -> _Fitting:
    return _Fitting(slots, np.zeros(len(slots), dtype=np.uint8))


class Evaluation:
    """Carries out searches over the columns of an index."""

    def __init__(self, columns: Columns, is_medical: Callable[[str], bool]) -> None:
        self._columns = columns
        self._is_medical = is_medical
        # Written and cleaned within a search; making them anew each time would cost more than most searches.
        self._marks: Levels = np.zeros(0, dtype=np.uint8)
        self._last: NDArray[np.int32] = np.zeros(0, dtype=np.int32)

    def page(self, query: SearchQuery, count: int, after: SearchPosition | None) -> SearchPage:
        """One page of what fits."""
        room = len(self._columns.used)
        if len(self._marks) != room:
            self._marks = np.full(room, NO_MATCH, dtype=np.uint8)
            self._last = np.zeros(room, dtype=np.int32)
        words = [self._word(word, names_only=False) for word in query.words]
        words += [self._word(word, names_only=True) for word in query.name_words]
        found = self._narrowed(query, words, self._filters(query))
        if query.open_at is None:
            return self._ordered(query, found, count, after)
        states = self._columns.times.states(query.open_at, found.slots)
        keep = np.isin(states, numbers_of(query.open_states))
        unknown = int(np.count_nonzero((states == numbers_of([OpenState.UNKNOWN])[0]) & ~keep))
        page = self._ordered(query, found.only(keep), count, after)
        hits = tuple(hit._replace(open_state=self._state(hit, query.open_at)) for hit in page.hits)
        return replace(page, hits=hits, unknown_hours=unknown)

    def _state(self, hit: SearchHit, at: datetime) -> OpenState:
        slot = np.asarray([self._columns.slots[hit.resource_id]], dtype=np.uint32)
        return state_of(int(self._columns.times.states(at, slot)[0]))

    def _word(self, asked: str, *, names_only: bool) -> _Word:
        errors = 0 if self._is_medical(asked) else errors_allowed(asked)
        like = self._columns.lexicon.asked(asked, errors)
        vocabularies = [self._columns.name_words, *([] if names_only else [self._columns.other_words])]
        fitting = [
            (level, _Keys(vocabulary.postings, keys))
            for vocabulary in vocabularies
            for level, keys in vocabulary.fitting(like)
        ]
        # Worst first: what is better overwrites it.
        fitting.sort(key=lambda item: -item[0])
        return _Word(asked, names_only, tuple(fitting))

    def _filters(self, query: SearchQuery) -> list[_Keys]:
        columns = self._columns
        filters = [
            _Keys(postings, [key for beginning in group for key in postings.beginning_with(beginning)])
            for postings, groups in ((columns.cities, query.cities), (columns.postcodes, query.postcodes))
            for group in groups
        ]
        filters += [_Keys(columns.specialties, columns.specialties.known(group)) for group in query.specialties]
        filters += [_Keys(columns.languages, columns.languages.known(group)) for group in query.languages]
        filters += [
            _Keys(columns.features, columns.features.known(feature_key(*item) for item in group))
            for group in query.accessibility
        ]
        return filters

    def _narrowed(self, query: SearchQuery, words: list[_Word], filters: list[_Keys]) -> _Fitting:
        """All practices that fit but for their opening hours."""
        columns = self._columns
        found, done = self._start(query, words, filters)
        for keys in filters:
            if keys is not done:
                found = found.only(self._has(keys, found.slots))
        if query.only is not None:
            ids = columns.resource_ids
            chosen = (ids[slot] in query.only for slot in found.slots.tolist())
            found = found.only(np.fromiter(chosen, np.bool_, len(found.slots)))
        if query.within_m is not None and query.origin is not None:
            distances = columns.places.distances_m(query.origin, found.slots)
            found = _Fitting(found.slots, found.levels, distances).only(distances <= query.within_m)
        if query.for_insured and columns.hiding:
            found = found.only(~columns.hidden[found.slots])
        if query.person is not None:
            found = found.only(columns.persons[found.slots] == query.person)
        for word in words:
            if word is not done:
                levels = self._levels(word, found.slots)
                worse = np.maximum(found.levels, levels)
                found = _Fitting(found.slots, worse, found.distances).only(levels != NO_MATCH)
        return found

    def _start(
        self, query: SearchQuery, words: list[_Word], filters: list[_Keys]
    ) -> tuple[_Fitting, _Word | _Keys | None]:
        """The practices that the most selective part leaves, and which part that was."""
        columns = self._columns
        start: Slots | None = None
        best: _Word | _Keys | None = None
        least = len(columns.slots) + 1
        if query.only is not None and len(query.only) < least:
            known = [columns.slots[one] for one in query.only if one in columns.slots]
            start, least = np.asarray(known, dtype=np.uint32), len(query.only)
        if query.within_m is not None and query.origin is not None:
            around = columns.places.around(query.origin, query.within_m)
            if len(around) < least:
                start, least = around, len(around)
        parts: list[_Word | _Keys] = [*filters, *words]
        if start is None and len(parts) == 1:
            best = parts[0]
        else:
            for part in parts:
                if (size := part.size(least)) < least:
                    best, least = part, size
        if best is None:
            return _unrated(np.flatnonzero(columns.used).astype(np.uint32) if start is None else start), None
        if isinstance(best, _Word):
            return self._matches(best), best
        return _unrated(self._once(best)), best

    def _once(self, keys: _Keys) -> Slots:
        """The slots that have any of some keys, each once."""
        slots = keys.postings.slots(keys.keys)
        return slots if len(keys.keys) == 1 else slots[self._last_of_each(slots)]

    def _last_of_each(self, slots: Slots) -> Flags:
        """Flags the last place at which each slot stands."""
        places = np.arange(len(slots), dtype=np.int32)
        self._last[slots] = places  # of several places the last one stays
        flags: Flags = self._last[slots] == places
        return flags

    def _matches(self, word: _Word) -> _Fitting:
        """All slots that a word fits, with their levels."""
        if not word.fitting:
            return _unrated(np.zeros(0, dtype=np.uint32))
        lists = [keys.postings.slots(keys.keys) for _, keys in word.fitting]
        slots = np.concatenate(lists)
        levels = np.array([level for level, _ in word.fitting], dtype=np.uint8).repeat([len(part) for part in lists])
        # The best level stands last.
        return _Fitting(slots, levels).only(self._last_of_each(slots))

    def _levels(self, word: _Word, slots: Slots) -> Levels:
        """How well a word fits each of some slots."""
        if len(slots) * _AS_LONG_AS <= word.number:
            return self._levels_of_few(word, slots)
        written = []
        for level, keys in word.fitting:
            sparse = keys.postings.sparse_slots(keys.keys)
            self._marks[sparse] = level
            written.append(sparse)
        levels = self._marks[slots]
        for sparse in written:
            self._marks[sparse] = NO_MATCH
        for level, keys in word.fitting:
            for flags in keys.postings.flags(keys.keys):
                here = flags[slots]
                levels[here] = np.minimum(levels[here], level)
        return levels

    def _levels_of_few(self, word: _Word, slots: Slots) -> Levels:
        """The same for so few slots that looking at their words is faster than looking at all that the word fits."""
        levels = {one: level for level, keys in word.fitting if level != PREFIX for one in keys.keys}
        found = np.full(len(slots), NO_MATCH, dtype=np.uint8)
        for place, slot in enumerate(slots.tolist()):
            practice = self._columns.kept[slot]
            known = practice.name_words if word.names_only else practice.name_words | practice.other_words
            found[place] = min(
                [
                    PREFIX if one not in levels and one.startswith(word.text) else levels.get(one, NO_MATCH)
                    for one in known
                ],
                default=NO_MATCH,
            )
        return found

    def _has(self, keys: _Keys, slots: Slots) -> Flags:
        """Which of some slots have any of some keys."""
        sparse = keys.postings.sparse_slots(keys.keys)
        self._marks[sparse] = 0
        has: Flags = self._marks[slots] != NO_MATCH
        self._marks[sparse] = NO_MATCH
        for flags in keys.postings.flags(keys.keys):
            has |= flags[slots]
        return has

    def _ordered(self, query: SearchQuery, found: _Fitting, count: int, after: SearchPosition | None) -> SearchPage:
        columns, slots = self._columns, found.slots
        order = columns.order.ranks[slots].astype(np.int64)
        order |= found.levels.astype(np.int64) << _DISTANCE_BITS + _RANK_BITS
        if query.origin is not None:
            known = found.distances
            distances = columns.places.distances_m(query.origin, slots) if known is None else known
            order |= whole_metres(distances) << _RANK_BITS
        total = len(slots)
        if after is not None:
            rank = columns.order.rank_after((after.name, after.resource_id))
            first = (after.level << _DISTANCE_BITS | after.distance_m) << _RANK_BITS | rank
            later = order >= first
            order, found = order[later], found.only(later)
        more = len(order) > count
        places = order.argpartition(count)[:count] if more and len(order) > _FEW else np.arange(len(order))
        places = places[order[places].argsort()][:count]
        chosen = found.slots[places].tolist()
        rated = zip(chosen, order[places].tolist(), found.levels[places].tolist(), strict=True)
        searched, measured = bool(query.words or query.name_words), query.origin is not None
        hits = tuple(
            SearchHit(
                columns.resource_ids[slot],
                reason_for(level) if searched else None,
                metres if measured and (metres := value >> _RANK_BITS & MAX_DISTANCE_M) != MAX_DISTANCE_M else None,
                None,
            )
            for slot, value, level in rated
        )
        position = None
        if more and hits:
            last = int(places[-1])
            name, resource_id = columns.order.key(chosen[-1])
            metres = int(order[last]) >> _RANK_BITS & MAX_DISTANCE_M
            position = SearchPosition(int(found.levels[last]), metres, name, resource_id)
        return SearchPage(total, hits, position)
