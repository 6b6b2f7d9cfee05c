"""Which practices have which keys: a set of slots for each.

A slot is a practice's place in all columns of the index. Most keys have few slots: those are kept as plain bytes, which
take a third of a bitmap's memory and are joined to others in half the time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

Slots = BitMap
SlotSet = Slots | bytes
"""A set of slots; up to ``_FEW`` of them are four bytes each, in their order."""
SlotArray = NDArray[np.intp]
Flags = NDArray[np.bool_]
Value = TypeVar("Value", bound=Hashable)
_FEW = 16
"""From here on a union of bitmaps takes less time than sorting what was joined."""


def together(sets: Sequence[SlotSet]) -> Slots:
    """What is in any of some sets; not to be changed, since it may be one of them."""
    few = [slots for slots in sets if isinstance(slots, bytes)]
    many = [slots for slots in sets if not isinstance(slots, bytes)] if len(few) < len(sets) else []
    if len(few) == 1:
        many.append(Slots(array("I", few[0])))
    elif few:
        joined = np.frombuffer(bytearray().join(few), dtype=np.uint32)
        joined.sort()  # a bitmap takes slots in much faster by their order
        many.append(bitmap(joined))
    if len(many) == 1:
        return many[0]
    return many[0].union(*many[1:]) if many else Slots()


def members(slots: Slots) -> SlotArray:
    """The slots of a set in their order."""
    return np.frombuffer(slots.to_array(), dtype=np.uint32).astype(np.intp)


def bitmap(slots: NDArray[np.uint32] | SlotArray) -> Slots:
    """A set of slots, which takes them in much faster if they are in their order."""
    return Slots(array("I", slots.astype(np.uint32, copy=False).tobytes()))


def _kept(slots: NDArray[np.uint32]) -> SlotSet:
    """A set as it is kept, of slots in their order."""
    return slots.tobytes() if len(slots) <= _FEW else bitmap(slots)


class Postings:
    """The slots of each key. Sets that are given out are the index's own: nobody changes them."""

    def __init__(self) -> None:
        self._slots: dict[str, SlotSet] = {}

    def __contains__(self, key: str) -> bool:
        return key in self._slots

    def __iter__(self) -> Iterator[str]:
        return iter(self._slots)

    def load(self, values: Iterable[Value], keys_of: Callable[[Value], Iterable[str]]) -> None:
        """Gives slots 0, 1, 2, … the keys of their values.

        Args:
            values: one for each slot; many are equal, and each is looked at once.
            keys_of: the keys of a value; a slot may have some of them already.
        """
        distinct: dict[Value, int] = {}
        value_of = array("I", (distinct.setdefault(value, len(distinct)) for value in values))
        # A few large arrays instead of one for each value or key: what is small and short-lived leaves holes in memory.
        slots_by_value, value_ends = _grouped(np.frombuffer(value_of, dtype=np.uint32), len(distinct))
        keys: dict[str, int] = {}
        having, had = array("I"), array("I")
        for value, number in distinct.items():
            for key in set(keys_of(value)):
                had.append(keys.setdefault(key, len(keys)))
                having.append(number)
        del distinct
        pairs, key_ends = _grouped(np.frombuffer(had, dtype=np.uint32), len(keys))
        numbers = np.frombuffer(having, dtype=np.uint32)[pairs].tolist()
        for key, first, end in zip(keys, [0, *key_ends], key_ends, strict=False):
            parts = [slots_by_value[value_ends[one - 1] if one else 0 : value_ends[one]] for one in numbers[first:end]]
            slots = parts[0] if len(parts) == 1 else np.sort(np.concatenate(parts))
            known = self._slots.get(key)
            self._slots[key] = _kept(slots) if known is None else together([known, _kept(slots)])

    def load_copy(self, other: Postings) -> None:
        """Takes all slots of other keys in; there are none yet."""
        self._slots = {key: one if isinstance(one, bytes) else one.copy() for key, one in other._slots.items()}

    def change(self, slot: int, before: set[str], after: set[str]) -> None:
        """Gives a practice other keys than it had."""
        for key in before - after:
            slots = self._slots[key]
            if isinstance(slots, bytes):
                fewer = array("I", slots)
                fewer.remove(slot)
                slots = self._slots[key] = fewer.tobytes()
            else:
                slots.remove(slot)
            if not slots:
                del self._slots[key]
        for key in after - before:
            known = self._slots.get(key, b"")
            if isinstance(known, bytes):
                more = array("I", known)
                insort(more, slot)
                self._slots[key] = more.tobytes() if len(more) <= _FEW else Slots(more)
            else:
                known.add(slot)

    def sets(self, keys: Iterable[str]) -> list[SlotSet]:
        """The slots of those of some keys that practices have."""
        return [slots for slots in map(self._slots.get, keys) if slots is not None]

    def put_together(self, key: str, sets: Sequence[SlotSet]) -> None:
        """Gives a key to all slots of some sets."""
        if len(sets) == 1 and isinstance(sets[0], bytes):
            self._slots[key] = sets[0]
        else:
            self._slots[key] = _kept(np.frombuffer(together(sets).to_array(), dtype=np.uint32))


def _grouped(numbers: NDArray[np.uint32], count: int) -> tuple[NDArray[np.uint32], list[int]]:
    """The places of each number 0, 1, 2, … one behind another, and where those of each number end."""
    places = np.argsort(numbers, kind="stable").astype(np.uint32)
    return places, np.cumsum(np.bincount(numbers, minlength=count)).tolist()


class Texts:
    """The slots of each text, which are also found by how it begins."""

    def __init__(self) -> None:
        self._whole = Postings()
        self._sorted: list[str] = []

    def load(self, values: Iterable[Value], texts_of: Callable[[Value], Iterable[str]]) -> None:
        """Gives slots 0, 1, 2, … the texts of their values."""
        self._whole.load(values, texts_of)
        self._sorted = sorted(self._whole)

    def change(self, slot: int, before: set[str], after: set[str]) -> None:
        """Gives a practice other texts than it had."""
        for text in after:
            if text not in self._whole:
                insort(self._sorted, text)
        self._whole.change(slot, before, after)
        for text in before - after:
            if text not in self._whole:
                del self._sorted[bisect_left(self._sorted, text)]

    def beginning_with(self, beginning: str) -> list[SlotSet]:
        """The slots of all texts that begin so, in one set or several."""
        return self._whole.sets(beginning_in(self._sorted, beginning))


def beginning_in(texts: Sequence[str], beginning: str) -> Sequence[str]:
    """Those of some sorted texts that begin so."""
    start = bisect_left(texts, beginning)
    if start == len(texts) or not texts[start].startswith(beginning):
        return ()
    # No text has a character after this one: they are folded, or digits.
    return texts[start : bisect_left(texts, beginning + "\U0010ffff", start)]
