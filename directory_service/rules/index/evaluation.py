"""How a search is carried out: sets of practices are brought together, and those that are left are put in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import pairwise, repeat

import numpy as np

from directory_service.rules.index.columns import Columns, feature_key
from directory_service.rules.index.fit import EXACT, Instead, errors_allowed, reason_for
from directory_service.rules.index.map_places import Metres, slots_at
from directory_service.rules.index.opening_times import numbers_of, state_of
from directory_service.rules.index.postings import Flags, SlotArray, Slots, SlotSet, bitmap, members, together
from directory_service.rules.index.query import (
    MAX_DISTANCE_M,
    SearchHit,
    SearchPage,
    SearchPosition,
    SearchQuery,
)
from directory_service.rules.index.vocabulary import Vocabulary
from directory_service.rules.opening_hours import OpenState

_MEASURED_ANYWAY = 200
"""Of so few practices all distances are taken; of more only those of practices that are near on the map."""
_RANK_BITS = 30
_RANK = (1 << _RANK_BITS) - 1
_UNKNOWN = numbers_of([OpenState.UNKNOWN])[0]

_hit: Callable[[Iterable[object]], SearchHit] = partial(tuple.__new__, SearchHit)
"""Makes a hit without a call of a Python function, which would take most of the time of a page."""

Fits = dict[int, list[SlotSet]]
"""The practices that a word fits, by level; those of a better level can be there again."""


class _Left:
    """The practices that are left; what not every search needs of them is made when it is asked for."""

    def __init__(self, together: Slots | None, slots: SlotArray | None = None, metres: Metres | None = None) -> None:
        """Takes them as a set or sorted in an array, and how far each is, if a search has an origin."""
        self._together = together
        self._slots = slots
        self.metres = metres

    def __len__(self) -> int:
        return len(self._slots) if self._slots is not None else len(self.together)

    @property
    def together(self) -> Slots:
        """All as a set."""
        if self._together is None:
            self._together = bitmap(self.slots)
        return self._together

    @property
    def slots(self) -> SlotArray:
        """All of them, sorted."""
        if self._slots is None:
            self._slots = members(self.together)
        return self._slots

    def only(self, flags: Flags) -> _Left:
        """Those that are flagged."""
        return _Left(None, self.slots[flags], None if self.metres is None else self.metres[flags])

    def among(self, some: Slots) -> _Left:
        """Some of them."""
        if self.metres is None:
            return _Left(some)
        slots = members(some)
        return _Left(some, slots, self.metres.take(self.slots.searchsorted(slots)))


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
        words = [self._fits(word, self._columns.all_words, before) for before, word in pairwise(("", *query.words))]
        words += [self._fits(word, self._columns.name_words) for word in query.name_words]
        left = self._left(query, words)
        unknown = 0
        if query.open_at is not None:
            left, unknown = self._open(left, query.open_at, query.open_states)
        chosen = self._first(words, left, count + 1, after)
        more = sum(len(keys) for _, keys in chosen) > count
        if more:
            chosen[-1][1].pop()
        hits = [hit for level, keys in chosen for hit in self._hits(query, level, keys)]
        position = self._position(chosen) if hits and more else None
        return SearchPage(len(left), tuple(hits), position, unknown)

    def _fits(self, asked: str, vocabulary: Vocabulary, before: str = "") -> Fits:
        errors = 0 if self._is_medical(asked) else errors_allowed(asked)
        found = vocabulary.fitting(self._columns.lexicon.asked(asked, errors))
        others, best = self._instead(asked, before)
        for other in others:
            for level, sets in vocabulary.fitting(self._columns.lexicon.asked(other, 0)).items():
                found.setdefault(max(level, best), []).extend(sets)
        return found

    def _left(self, query: SearchQuery, words: Iterable[Fits]) -> _Left:
        """All practices that fit but for their opening hours, whatever their level."""
        parts = [*self._filters(query)]
        parts += [together([slots for sets in word.values() for slots in sets]) for word in words]
        left = self._narrowed(query, parts)
        if query.origin is None:
            return _Left(left)
        slots, metres = self._columns.places.measured(query.origin, members(left), query.within_m)
        return _Left(left if len(slots) == len(left) else None, slots, metres)

    def _narrowed(self, query: SearchQuery, parts: list[Slots]) -> Slots:
        """Those that are in all of some sets; of a distance, all that are inside and some more."""
        columns = self._columns
        parts.sort(key=len)
        left = parts[0] if parts else columns.used
        for part in parts[1:]:
            left = left & part
        if query.within_m is not None and query.origin is not None and len(left) > _MEASURED_ANYWAY:
            near = columns.places.around(query.origin, query.within_m, next(iter(query.specialties), None))
            if sum(map(len, near)) < len(left):
                left = bitmap(slots_at(near)) & left
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

    def _open(self, left: _Left, at: datetime, wanted: Iterable[OpenState]) -> tuple[_Left, int]:
        """Those in a state that is wanted; and how many are left out since nothing is known of them."""
        states = self._columns.times.states(at, left.slots)
        keep = np.isin(states, numbers_of(wanted))
        return left.only(keep), int(np.count_nonzero(states[~keep] == _UNKNOWN))

    def _first(
        self, words: Sequence[Fits], left: _Left, count: int, after: SearchPosition | None
    ) -> list[tuple[int, list[int]]]:
        """The first of all in their order, by level: the distance and, behind it, the rank as one number."""
        order = self._columns.order
        first = []
        for level, part in _by_level(words, left):
            if after is not None and level < after.level:
                continue
            keys = order.ranks.take(part.slots)
            if part.metres is not None:
                keys |= part.metres << _RANK_BITS
            if after is not None and level == after.level:
                rank = order.rank_after((after.name, after.resource_id))
                keys = keys[keys >= after.distance_m << _RANK_BITS | rank]
            if len(keys) > count:
                keys.partition(count - 1)
                keys = keys[:count]
            if len(keys):
                keys.sort()
                first.append((level, keys.tolist()))
                count -= len(keys)
            if not count:
                break
        return first

    def _hits(self, query: SearchQuery, level: int, keys: Sequence[int]) -> Iterator[SearchHit]:
        by_rank, resource_ids = self._columns.order.slots, self._columns.kept.resource_ids
        slots = [by_rank[key & _RANK] for key in keys]
        ids = [resource_ids[slot] for slot in slots]
        reason = reason_for(level) if query.words or query.name_words else None
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


def _by_level(words: Sequence[Fits], left: _Left) -> Iterator[tuple[int, _Left]]:
    """Those that all of some words fit, by level, best first; of several words the worst level counts.

    Args:
        words: what each fits; without any, everything is at the best level.
        left: practices that all of the words fit. Levels that nobody asks for are not looked at.
    """
    *better, last = sorted({level for word in words for level in word}) or [EXACT]
    if not better or not len(left):
        yield last, left
        return
    remaining = whole = left.together
    fitting = [Slots() for _ in words]
    for level in better:
        part = remaining
        for number, word in enumerate(words):
            if level in word:
                fitting[number] = fitting[number] | whole & together(word[level])
            part = part & fitting[number]
        if part:
            yield level, left.among(part)
            remaining = remaining - part
    if remaining:
        yield last, left if len(remaining) == len(whole) else left.among(remaining)
