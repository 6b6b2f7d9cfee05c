"""The order of practices by their names."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from directory_service.rules.index.room import grown

Key = tuple[str, str]
"""Orders practices: the folded name, then the logical id."""
Ranks = NDArray[np.int32]


class NameOrder:
    """The rank of each slot in the order of names."""

    def __init__(self) -> None:
        self._keys: list[Key] = []
        self._sorted: list[int] = []
        self.ranks: Ranks = np.zeros(0, dtype=np.int32)

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self._keys += [("", "")] * (room - len(self._keys))
        self.ranks = grown(self.ranks, room)

    def load(self, keys: Iterable[Key]) -> None:
        """Takes the keys of slots 0, 1, 2, …, already sorted."""
        for slot, key in enumerate(keys):
            self._keys[slot] = key
            self._sorted.append(slot)
        self.ranks[: len(self._sorted)] = np.arange(len(self._sorted), dtype=np.int32)

    def key(self, slot: int) -> Key:
        """The key of a slot in use."""
        return self._keys[slot]

    def insert(self, slot: int, key: Key) -> None:
        """Takes a slot in."""
        place = bisect_left(self._sorted, key, key=self._keys.__getitem__)
        self._keys[slot] = key
        self._sorted.insert(place, slot)
        self.ranks[self.ranks >= place] += 1
        self.ranks[slot] = place

    def remove(self, slot: int) -> None:
        """Takes a slot out."""
        place = bisect_left(self._sorted, self._keys[slot], key=self._keys.__getitem__)
        del self._sorted[place]
        self.ranks[self.ranks > place] -= 1
        self._keys[slot] = ("", "")

    def rank_after(self, key: Key) -> int:
        """The rank of the first slot that comes after a key, whether the key is still there or not."""
        return bisect_right(self._sorted, key, key=self._keys.__getitem__)
