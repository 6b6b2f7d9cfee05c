"""Which practices have a key: words, codes, cities and the like, each with the slots of its practices.

A slot is a practice's place in all columns of the index.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Hashable, Iterable, Sequence
from itertools import islice
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.uint32]
Flags = NDArray[np.bool_]
Value = TypeVar("Value", bound=Hashable)

_DENSE = 8192
"""From this many practices on a key also has a flag for every slot."""
_COUNTED_AT_ONCE = 64


def joined(lists: Iterable[array[int]]) -> Slots:
    """The slots of several lists after each other, as a copy; a slot can be there more than once."""
    return np.frombuffer(b"".join(lists), dtype=np.uint32)


class Postings:
    """The slots of each key; keys can be found by their beginning."""

    def __init__(self) -> None:
        self._slots: dict[str, array[int]] = {}
        self._flags: dict[str, Flags] = {}
        self._sorted: list[str] = []
        self._room = 0

    def __len__(self) -> int:
        return len(self._slots)

    def __contains__(self, key: str) -> bool:
        return key in self._slots

    def load(self, values: Iterable[Value], keys_of: Callable[[Value], Iterable[str]]) -> None:
        """Gives slots 0, 1, 2, … the keys of their values; nothing is asked before ``end_load``.

        Args:
            values: one for each slot; many are equal, and each is looked at once.
            keys_of: the keys of a value; a slot may have some of them already.
        """
        together: dict[Value, array[int]] = {}
        for slot, value in enumerate(values):
            alike = together.get(value)
            if alike is None:
                together[value] = array("I", (slot,))
            else:
                alike.append(slot)
        before = {key: len(slots) for key, slots in self._slots.items()}
        for value, alike in together.items():
            for key in set(keys_of(value)):
                slots = self._slots.get(key)
                if slots is None:
                    self._slots[key] = array("I", alike)
                else:
                    slots.extend(alike)
        for key, number in before.items():
            if len(self._slots[key]) > number:
                self._slots[key] = array("I", np.unique(self.slots([key])).tobytes())

    def end_load(self) -> None:
        """All is loaded; now it is put in order."""
        self._sorted = sorted(self._slots)
        for key, slots in self._slots.items():
            if len(slots) >= _DENSE:
                self._make_flags(key)

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        for key, flags in self._flags.items():
            self._flags[key] = np.concatenate([flags, np.zeros(room - len(flags), dtype=np.bool_)])
        self._room = room

    def add(self, key: str, slot: int) -> bool:
        """Gives a practice a key that it does not have yet.

        Returns:
            Whether no practice had the key before.
        """
        slots = self._slots.get(key)
        if slots is None:
            self._slots[key] = array("I", (slot,))
            insort(self._sorted, key)
            return True
        slots.append(slot)
        if key in self._flags:
            self._flags[key][slot] = True
        elif len(slots) >= _DENSE:
            self._make_flags(key)
        return False

    def discard(self, key: str, slot: int) -> bool:
        """Takes a key from a practice that has it.

        Returns:
            Whether no practice has the key any more.
        """
        slots = self._slots[key]
        place = int(np.argmax(np.frombuffer(slots, dtype=np.uint32) == slot))
        last = slots.pop()
        if place < len(slots):
            slots[place] = last
        if key in self._flags:
            self._flags[key][slot] = False
            if len(slots) < _DENSE // 2:
                del self._flags[key]
        if slots:
            return False
        del self._slots[key]
        del self._sorted[bisect_left(self._sorted, key)]
        return True

    def beginning_with(self, beginning: str) -> Sequence[str]:
        """All keys that begin so, sorted."""
        start = bisect_left(self._sorted, beginning)
        # No key has a character after this one: they are folded, codes, or tags.
        return self._sorted[start : bisect_left(self._sorted, beginning + "\U0010ffff", start)]

    def known(self, keys: Iterable[str]) -> list[str]:
        """Those of some keys that practices have."""
        return [key for key in keys if key in self._slots]

    def size(self, keys: Iterable[str], enough: int) -> int:
        """How many slots some known keys have together, counted for each key; from ``enough`` on not all are."""
        sizes = map(len, map(self._slots.__getitem__, keys))
        size = 0
        while size < enough and (some := sum(islice(sizes, _COUNTED_AT_ONCE))):
            size += some
        return size

    def slots(self, keys: Iterable[str]) -> Slots:
        """The slots of some known keys; a slot can be there more than once."""
        return joined(map(self._slots.__getitem__, keys))

    def sparse_slots(self, keys: Iterable[str]) -> Slots:
        """The slots of those of some known keys that have no flags."""
        return self.slots(key for key in keys if key not in self._flags) if self._flags else self.slots(keys)

    def flags(self, keys: Iterable[str]) -> list[Flags]:
        """The flags of those keys that so many practices have that each slot has a flag."""
        if not self._flags:
            return []
        return [self._flags[key] for key in keys if key in self._flags]

    def _make_flags(self, key: str) -> None:
        flags = np.zeros(self._room, dtype=np.bool_)
        flags[np.frombuffer(self._slots[key], dtype=np.uint32)] = True
        self._flags[key] = flags
