"""The order of practices by their names."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from directory_service.search.index.room import grown

Key = tuple[str, str]
"""Orders practices: the folded name, then the logical id."""
Ranks = NDArray[np.int64]


class NameOrder:
    """The rank of each slot in the order of names.

    Attributes:
        ranks: by slot.
        slots: by rank.
    """

    def __init__(self, key_of: Callable[[int], Key]) -> None:
        """Takes what tells the key of a slot in use."""
        self._key_of = key_of
        self.slots = array("I")
        self.ranks: Ranks = np.zeros(0, dtype=np.int64)

    def make_room(self, room: int) -> None:
        """Slots below ``room`` may come."""
        self.ranks = grown(self.ranks, room)

    def load(self, slots: Sequence[int]) -> None:
        """Takes slots in their order."""
        self.slots = array("I", slots)
        self._rank(0, len(slots))

    def insert(self, slot: int) -> None:
        """Takes a slot in."""
        place = bisect_left(self.slots, self._key_of(slot), key=self._key_of)
        self.slots.insert(place, slot)
        self._rank(place, len(self.slots))

    def remove(self, slot: int) -> None:
        """Takes a slot out."""
        place = int(self.ranks[slot])
        del self.slots[place]
        self._rank(place, len(self.slots))

    def move(self, slot: int) -> None:
        """A slot that is there has another key now."""
        old = int(self.ranks[slot])
        del self.slots[old]
        new = bisect_left(self.slots, self._key_of(slot), key=self._key_of)
        self.slots.insert(new, slot)
        self._rank(min(old, new), max(old, new) + 1)

    def rank_after(self, key: Key) -> int:
        """The rank of the first slot that comes after a key, whether the key is still there or not."""
        return bisect_right(self.slots, key, key=self._key_of)

    def _rank(self, first: int, end: int) -> None:
        """Numbers the slots of some ranks."""
        self.ranks[np.frombuffer(self.slots[first:end], dtype=np.uint32)] = np.arange(first, end)
