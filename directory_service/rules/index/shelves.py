"""Finds the words that two typing errors lie between, among those with the same first letter.

A wrong letter changes at most two of the letters that a word is made of, one left out or put in changes one letter and
the length. A bit for each letter sorts most words out at once, and only the others are compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

_ERRORS = 2
_LONGEST = 2**15 - 1
_A = ord("a")


def _letters(word: str) -> int:
    """The letters of a folded word, a bit each."""
    bits = 0
    for letter in set(word):
        bits |= 1 << ord(letter) - _A
    return bits


class _Shelf:
    """The words with one first letter, with their letters and lengths."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.letters = array("I")
        self.lengths = array("h")


class Shelves:
    """Words by first letter; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}

    def add(self, words: Iterable[str]) -> None:
        """Takes words in that are not known yet; those with digits are left out, since they have no typing errors."""
        for word in filter(str.isalpha, words):
            shelf = self._shelves.get(word[0])
            if shelf is None:
                shelf = self._shelves[word[0]] = _Shelf()
            shelf.words.append(word)
            shelf.letters.append(_letters(word))
            shelf.lengths.append(min(_LONGEST, len(word)))

    def near(self, asked: str) -> list[str]:
        """The known words that exactly two errors lie between; ``asked`` has letters alone."""
        shelf = self._shelves.get(asked[0])
        if shelf is None:
            return []
        different = np.bitwise_count(np.frombuffer(shelf.letters, dtype=np.uint32) ^ np.uint32(_letters(asked)))
        longer = np.abs(np.frombuffer(shelf.lengths, dtype=np.int16) - np.int16(len(asked)))
        candidates = [shelf.words[place] for place in (different + longer <= 2 * _ERRORS).nonzero()[0].tolist()]
        if not candidates:
            return []
        distances = cdist([asked], candidates, scorer=OSA.distance, score_cutoff=_ERRORS, dtype=np.uint8)[0]
        return [candidates[place] for place in (distances == _ERRORS).nonzero()[0].tolist()]
