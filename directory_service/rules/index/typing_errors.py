"""Finds the words that one typing error lies between: left out, put in, wrong, or two letters swapped.

Two words are so near only if they are equal after at most one letter is left out of each. The index keeps the hash of
each word and of what remains of it without one of its letters; hashes that meet are looked at more closely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

_MERGE_AT = 20_000


def _shortened(word: str) -> set[int]:
    return {hash(word), *(hash(word[:place] + word[place + 1 :]) for place in range(len(word)))}


class NearWords:
    """Words by their neighbours; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._numbers: dict[str, int] = {}
        self._hashes: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._owners: NDArray[np.int32] = np.zeros(0, dtype=np.int32)
        self._fresh: dict[int, list[int]] = {}

    def add(self, words: Iterable[str]) -> None:
        """Takes words in; those that are known already are left as they are."""
        for word in words:
            if word.isalpha() and word not in self._numbers:
                number = self._numbers[word] = len(self._words)
                self._words.append(word)
                for value in _shortened(word):
                    self._fresh.setdefault(value, []).append(number)
        if len(self._fresh) > _MERGE_AT:
            self._merge()

    def near(self, typed: Sequence[str]) -> set[str]:
        """The known words that are at a distance of one error from any of some words, and some that are not."""
        variants = set[int]().union(*map(_shortened, typed))
        values = np.fromiter(variants, dtype=np.int64, count=len(variants))
        starts = np.searchsorted(self._hashes, values, "left").tolist()
        ends = np.searchsorted(self._hashes, values, "right").tolist()
        numbers: set[int] = set()
        for start, end in zip(starts, ends, strict=True):
            if start < end:
                numbers.update(self._owners[start:end].tolist())
        if self._fresh:
            for value in variants:
                numbers.update(self._fresh.get(value, ()))
        return {self._words[number] for number in numbers}

    def _merge(self) -> None:
        pairs = [(value, number) for value, numbers in self._fresh.items() for number in numbers]
        pairs.sort()
        hashes = np.fromiter((value for value, _ in pairs), dtype=np.int64, count=len(pairs))
        owners = np.fromiter((number for _, number in pairs), dtype=np.int32, count=len(pairs))
        places = np.searchsorted(self._hashes, hashes)
        self._hashes = np.insert(self._hashes, places, hashes)
        self._owners = np.insert(self._owners, places, owners)
        self._fresh = {}
