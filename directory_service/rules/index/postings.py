"""Which practices have which keys: a set of slots for each.

A slot is a practice's place in all columns of the index.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Iterator
from itertools import groupby
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

Slots = BitMap
Flags = NDArray[np.bool_]
Value = TypeVar("Value", bound=Hashable)


def together(sets: list[Slots]) -> Slots:
    """What is in any of some sets; not to be changed, since it may be one of them."""
    if len(sets) == 1:
        return sets[0]
    return sets[0].union(*sets[1:]) if sets else Slots()


class Postings:
    """The slots of each key. Sets that are given out are the index's own: nobody changes them."""

    def __init__(self) -> None:
        self._slots: dict[str, Slots] = {}

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
        slots_of: dict[Value, array[int]] = {}
        for slot, value in enumerate(values):
            alike = slots_of.get(value)
            if alike is None:
                slots_of[value] = array("I", (slot,))
            else:
                alike.append(slot)
        loaded: dict[str, array[int]] = {}
        for value, alike in slots_of.items():
            for key in keys_of(value):
                slots = loaded.get(key)
                if slots is None:
                    loaded[key] = alike[:]
                else:
                    slots.extend(alike)
        for key, slots in loaded.items():
            known = self._slots.get(key)
            self._slots[key] = Slots(slots) if known is None else known.union(Slots(slots))

    def change(self, slot: int, before: set[str], after: set[str]) -> None:
        """Gives a practice other keys than it had."""
        for key in before - after:
            slots = self._slots[key]
            slots.remove(slot)
            if not slots:
                del self._slots[key]
        for key in after - before:
            known = self._slots.get(key)
            if known is None:
                self._slots[key] = Slots((slot,))
            else:
                known.add(slot)

    def sets(self, keys: Iterable[str]) -> list[Slots]:
        """The slots of those of some keys that practices have."""
        return [slots for slots in map(self._slots.get, keys) if slots is not None]

    def put_together(self, key: str, sets: list[Slots]) -> None:
        """Gives a key to all slots of some sets."""
        self._slots[key] = together(sets).copy()


class Texts:
    """The slots of each text, which are also found by how it begins."""

    def __init__(self, short: int) -> None:
        """Takes up to how many letters beginnings have sets of their own; longer ones are united when asked for."""
        self._short = short
        self._whole = Postings()
        self._beginnings = Postings()
        self._sorted: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._sorted)

    def load(self, values: Iterable[Value], texts_of: Callable[[Value], Iterable[str]]) -> None:
        """Gives slots 0, 1, 2, … the texts of their values; nothing is asked before ``end_load``."""
        self._whole.load(values, texts_of)

    def end_load(self) -> None:
        """All is loaded; now it is put in order."""
        self._sorted = sorted(self._whole)
        for length in range(1, self._short + 1):
            long_enough = (text for text in self._sorted if len(text) >= length)
            for beginning, texts in groupby(long_enough, key=lambda text: text[:length]):
                self._beginnings.put_together(beginning, self._whole.sets(texts))

    def change(self, slot: int, before: set[str], after: set[str]) -> list[str]:
        """Gives a practice other texts than it had.

        Returns:
            Those that no practice had before.
        """
        fresh = [text for text in after if text not in self._whole]
        self._whole.change(slot, before, after)
        self._beginnings.change(slot, self._short_of(before), self._short_of(after))
        for text in fresh:
            insort(self._sorted, text)
        for text in before - after:
            if text not in self._whole:
                del self._sorted[bisect_left(self._sorted, text)]
        return fresh

    def sets(self, texts: Iterable[str]) -> list[Slots]:
        """The slots of those of some texts that practices have."""
        return self._whole.sets(texts)

    def beginning_with(self, beginning: str) -> list[Slots]:
        """The slots of all texts that begin so, in one set or several."""
        if len(beginning) <= self._short:
            return self._beginnings.sets((beginning,))
        start = bisect_left(self._sorted, beginning)
        # No text has a character after this one: they are folded, or digits.
        end = bisect_left(self._sorted, beginning + "\U0010ffff", start)
        return self._whole.sets(self._sorted[start:end])

    def _short_of(self, texts: set[str]) -> set[str]:
        return {text[:length] for text in texts for length in range(1, min(self._short, len(text)) + 1)}
