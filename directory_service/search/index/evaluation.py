"""How a search is carried out: sets of practices are brought together, and those that are left are put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import accumulate, pairwise, repeat

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.opening_hours import OpenState
from directory_service.search.index.columns import Columns
from directory_service.search.index.fit import EXACT, Instead, errors_allowed, reason_for
from directory_service.search.index.map_places import Metres, slots_at
from directory_service.search.index.opening_times import numbers_of, state_of
from directory_service.search.index.postings import SlotArray, Slots, SlotSet, bitmap, members, together
from directory_service.search.index.query import (
    MAX_DISTANCE_M,
    SearchHit,
    SearchPage,
    SearchPosition,
    SearchQuery,
)
from directory_service.search.index.vocabulary import Vocabulary

_MEASURED_ANYWAY = 1500
"""Of so few practices all distances are taken; of more only those of practices that are near on the map."""
_FEW = 300
"""Of more practices that words fit, those too far north or south are left out first, which one set tells."""
_RANK_BITS = 30
_RANK = (1 << _RANK_BITS) - 1
_UNKNOWN = numbers_of([OpenState.UNKNOWN])[0]

_hit: Callable[[Iterable[object]], SearchHit] = partial(tuple.__new__, SearchHit)
"""Makes a hit without a call of a Python function, which would take most of the time of a page."""

_NONE = Slots()

Fits = dict[int, Slots]
"""The practices that a word fits, by level; those of a better level can be there again."""


class _Part:
    """The practices that fit at one level; how far each is, if a search has an origin."""

    def __init__(
        self, level: int, together: Slots = _NONE, slots: SlotArray | None = None, metres: Metres | None = None
    ) -> None:
        """Takes them as a set, or in an array with their distances in the same order."""
        self.level = level
        self.together = together
        self._slots = slots
        self.metres = metres

    def __len__(self) -> int:
        return len(self.together if self._slots is None else self._slots)

    @property
    def slots(self) -> SlotArray:
        """All of them; not every search needs it of all levels."""
        if self._slots is None:
            self._slots = members(self.together)
        return self._slots


class Evaluation:
    """Carries out searches over the columns of an index."""

    def __init__(
        self, columns: Columns, is_medical: Callable[[str], bool], instead: Callable[[str, str], Instead]
    ) -> None:
        self._columns = columns
        self._is_medical = is_medical
        self._instead = instead

    def page(self, query: SearchQuery, count: int, after: SearchPosition | None) -> SearchPage:
        """One page of what fits."""
        words = self._fits_each(query.words)
        words += map(self._fits_any, query.alternatives)
        words += [self._fits(word, self._columns.name_words) for word in query.name_words]
        parts = self._parts(query, words)
        if query.origin is not None:
            parts = _kept(parts, *self._columns.places.measured(query.origin, _all(parts), query.within_m))
        unknown = 0
        if query.open_at is not None:
            parts, unknown = self._open(parts, query.open_at, query.open_states)
        chosen = self._first(parts, count + 1, after)
        more = sum(len(keys) for _, keys in chosen) > count
        if more:
            chosen[-1][1].pop()
        hits = [hit for level, keys in chosen for hit in self._hits(query, level, keys)]
        position = self._position(chosen) if hits and more else None
        return SearchPage(sum(map(len, parts)), tuple(hits), position, unknown)

    def _fits_each(self, words: Sequence[str]) -> list[Fits]:
        return [self._fits(word, self._columns.all_words, before) for before, word in pairwise(("", *words))]

    def _fits_any(self, texts: Iterable[Sequence[str]]) -> Fits:
        """What all words of any of some texts fit."""
        found: dict[int, list[SlotSet]] = {}
        for words in texts:
            for part in _by_level(self._fits_each(words)):
                found.setdefault(part.level, []).append(part.together)
        return {level: together(sets) for level, sets in found.items()}

    def _fits(self, asked: str, vocabulary: Vocabulary, before: str = "") -> Fits:
        errors = 0 if self._is_medical(asked) else errors_allowed(asked)
        found = vocabulary.fitting(self._columns.lexicon.asked(asked, errors))
        others, best = self._instead(asked, before)
        for other in others:
            for level, sets in vocabulary.fitting(self._columns.lexicon.asked(other, 0)).items():
                found.setdefault(max(level, best), []).extend(sets)
        return {level: together(sets) for level, sets in found.items()}

    def _parts(self, query: SearchQuery, words: Sequence[Fits]) -> list[_Part]:
        """What fits words and filters, by level; of a distance, all that are inside and perhaps some more."""
        columns = self._columns
        filters = sorted(self._filters(query), key=len)
        without = [columns.hidden] if query.for_insured and columns.hidden else []
        if query.person is False and columns.persons:
            without.append(columns.persons)
        if not words:
            smallest = filters.pop(0) if filters else columns.used
            around = self._around(query, len(smallest))
            codes = next(iter(query.specialties), ())
            if around is not None and len(codes) == 1 and not (filters or without):  # all that are around have it
                return [_Part(EXACT, slots=around.astype(np.intp))]
            cut = [{EXACT: _cut(smallest, filters, without)}]
        else:
            # What is left of each level is little, and joined in no time.
            cut = [{level: _cut(one, filters, without) for level, one in word.items()} for word in words]
            if query.origin is not None and query.within_m is not None and _fewest(cut) > _FEW:
                north = columns.places.as_far_north(query.origin, query.within_m)
                cut = [{level: one & north for level, one in word.items()} for word in cut]
            around = self._around(query, _fewest(cut))
        if around is not None:
            around.sort()
            inside = bitmap(around)
            cut = [{level: one & inside for level, one in word.items()} for word in cut]
        return _by_level(cut)

    def _around(self, query: SearchQuery, found: int) -> NDArray[np.uint32] | None:
        """All that are inside of the circle that was asked for and some more, if they are fewer than what is found."""
        if query.origin is None or query.within_m is None or found <= _MEASURED_ANYWAY:
            return None
        codes = next(iter(query.specialties), None)
        near = self._columns.places.around(query.origin, query.within_m, codes)
        return slots_at(near) if sum(map(len, near)) < found else None

    def _filters(self, query: SearchQuery) -> Iterator[Slots]:
        columns = self._columns
        for texts, groups in ((columns.cities, query.cities), (columns.postcodes, query.postcodes)):
            # Each beginning once: a short one joins the sets of thousands of texts, and may stand in many groups.
            asked = {beginning for group in groups for beginning in group}
            known = {beginning: together(texts.beginning_with(beginning)) for beginning in asked}
            for group in groups:
                yield together([known[beginning] for beginning in group])
        for codes in query.specialties:
            yield together(columns.specialties.sets(codes))
        for condition in query.conditions:
            yield together(columns.codes[condition.field].sets(condition.keys))
        if query.person:
            yield columns.persons
        if query.only is not None:
            yield Slots([columns.slots[one] for one in query.only if one in columns.slots])

    def _open(self, parts: Sequence[_Part], at: datetime, wanted: Iterable[OpenState]) -> tuple[list[_Part], int]:
        """Those in a state that is wanted; and how many are left out since nothing is known of them."""
        states = self._columns.times.states(at, _all(parts))
        wanted_too = np.isin(states, numbers_of(wanted))
        unknown = int(np.count_nonzero(states[~wanted_too] == _UNKNOWN))
        return _kept(parts, wanted_too.nonzero()[0]), unknown

    def _first(self, parts: Iterable[_Part], count: int, after: SearchPosition | None) -> list[tuple[int, list[int]]]:
        """The first of all in their order, by level: the distance and, behind it, the rank as one number."""
        order = self._columns.order
        first = []
        for part in parts:
            if after is not None and part.level < after.level:
                continue
            keys = order.ranks.take(part.slots, mode="clip")  # all are inside: only then it does not look twice
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
        by_rank, resource_ids = self._columns.order.slots, self._columns.kept.resource_ids
        slots = [by_rank[key & _RANK] for key in keys]
        ids = [resource_ids[slot] for slot in slots]
        reason = reason_for(level) if query.has_words else None
        metres: Iterable[int | None] = repeat(None)
        states: Iterable[OpenState | None] = repeat(None)
        if query.origin is not None:
            metres = [away if (away := key >> _RANK_BITS) < MAX_DISTANCE_M else None for key in keys]
        if query.open_at is not None:
            states = map(state_of, self._columns.times.states(query.open_at, np.array(slots, dtype=np.intp)).tolist())
        return map(_hit, zip(ids, repeat(reason), metres, states, strict=False))

    def _position(self, chosen: Sequence[tuple[int, list[int]]]) -> SearchPosition:
        level, key = next((level, keys[-1]) for level, keys in reversed(chosen) if keys)
        kept, slot = self._columns.kept, self._columns.order.slots[key & _RANK]
        return SearchPosition(level, key >> _RANK_BITS, kept.names[slot], kept.resource_ids[slot])


def _fewest(words: Sequence[Fits]) -> int:
    """How many practices fit the word that fewest fit, or fewer."""
    return min(sum(map(len, word.values())) for word in words)


def _cut(slots: Slots, filters: Iterable[Slots], without: Iterable[Slots]) -> Slots:
    """What is in a set and in all of some others, but in none of some more; it may be the set itself."""
    for one in filters:
        slots = slots & one
    for one in without:
        slots = slots - one
    return slots


def _by_level(words: Sequence[Fits]) -> list[_Part]:
    """Those that all of some words fit, by level, best first; of several words the worst level counts."""
    parts = []
    found = _NONE
    fitting: list[Slots] = [_NONE for _ in words]
    for level in sorted({level for word in words for level in word}):
        for number, word in enumerate(words):
            if level in word:
                known = fitting[number]
                fitting[number] = known | word[level] if known else word[level]
        first, *others = fitting
        so_far = _cut(first, others, ())
        part = so_far - found if found else so_far
        if part:
            parts.append(_Part(level, part))
            found = so_far
    return parts


def _all(parts: Sequence[_Part]) -> SlotArray:
    """The practices of some parts, one part behind another."""
    if len(parts) == 1:
        return parts[0].slots
    return np.concatenate([part.slots for part in parts]) if parts else np.zeros(0, dtype=np.intp)


def _kept(parts: Sequence[_Part], kept: SlotArray, metres: Metres | None = None) -> list[_Part]:
    """What is kept of some parts.

    Args:
        parts: some parts.
        kept: the places of what is kept in ``_all`` of them, in their order.
        metres: how far what is kept is; without it, it is as far as it was.
    """
    slots = _all(parts).take(kept)
    if len(parts) == 1 and metres is not None:
        return [_Part(parts[0].level, slots=slots, metres=metres)]
    if metres is None and parts and parts[0].metres is not None:
        metres = np.concatenate([part.metres for part in parts if part.metres is not None]).take(kept)
    ends = kept.searchsorted(list(accumulate(map(len, parts)))).tolist()
    return [
        _Part(part.level, slots=slots[first:end], metres=None if metres is None else metres[first:end])
        for part, first, end in zip(parts, [0, *ends], ends, strict=False)
        if first < end
    ]
