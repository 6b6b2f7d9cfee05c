"""Finds the words that two typing errors lie between, among those with the same first letter and about the same length.

A wrong letter changes at most two of the letters that a word is made of, one left out or put in changes one. A bit for
each letter sorts most words out at once, and only the others are compared.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import cdist

_ERRORS = 2
_A = ord("a")


def _letters(word: str) -> int:
    """The letters of a folded word, a bit each."""
    bits = 0
    for letter in word:
        bits |= 1 << ord(letter) - _A
    return bits


class Shelves:
    """Words by first letter and length; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._words: dict[tuple[str, int], list[str]] = {}
        self._letters: dict[tuple[str, int], array[int]] = {}

    def add(self, words: Iterable[str]) -> None:
        """Takes words in that are not known yet; those with digits are left out, since they have no typing errors."""
        for word in filter(str.isalpha, words):
            shelf = word[0], len(word)
            self._words.setdefault(shelf, []).append(word)
            self._letters.setdefault(shelf, array("I")).append(_letters(word))

    def near(self, asked: str) -> list[str]:
        """The known words that exactly two errors lie between; ``asked`` has letters alone."""
        letters = np.uint32(_letters(asked))
        candidates: list[str] = []
        for length in range(len(asked) - _ERRORS, len(asked) + _ERRORS + 1):
            shelf = asked[0], length
            if shelf in self._words:
                different = np.bitwise_count(np.frombuffer(self._letters[shelf], dtype=np.uint32) ^ letters)
                words, most = self._words[shelf], 2 * _ERRORS - abs(length - len(asked))
                candidates += [words[place] for place in np.flatnonzero(different <= most).tolist()]
        if not candidates:
            return []
        distances = cdist([asked], candidates, scorer=OSA.distance, score_cutoff=_ERRORS, dtype=np.uint8)[0]
        return [candidates[place] for place in np.flatnonzero(distances == _ERRORS).tolist()]
