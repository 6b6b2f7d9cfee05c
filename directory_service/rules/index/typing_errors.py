"""Finds the words that one or two typing errors lie between: a letter left out, put in, wrong, or two swapped.

Most errors leave the first letter alone. Among the words that begin with it, a number of 64 bits for each sorts nearly
all out at once: a wrong letter changes at most two of its bits, one left out or put in changes one for the letter and
one for the length. An error in the first letter leaves what follows, so words are also known by that.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from string import ascii_lowercase

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from directory_service.rules.index.fit import is_one_error, readings

_ERRORS = 2
_MOST_CHANGED = 4
"""So many bits two errors change, or one and an ``e`` that folding has swallowed (``readings``)."""
_LETTERS = {letter: 1 << place for place, letter in enumerate(ascii_lowercase)}
_TWICE = len(_LETTERS)
_LENGTH, _SHORTEST, _LONGEST = 2 * _TWICE, 3, 15


def _signature(word: str) -> int:
    """A bit for each letter, another for each that is there twice, and the length as a row of bits."""
    once = twice = 0
    for letter in word:
        bit = _LETTERS[letter]
        twice |= once & bit
        once |= bit
    return once | twice << _TWICE | (1 << max(0, min(len(word), _LONGEST) - _SHORTEST)) - 1 << _LENGTH


class _Shelf:
    """The words with one first letter, with their signatures."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.signatures = array("Q")


class NearWords:
    """Words by what is near them; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._shelves: defaultdict[str, _Shelf] = defaultdict(_Shelf)
        # Most have one word alone, so that a list for each would take most of the memory.
        self._by_rest: dict[str, tuple[str, ...] | str] = {}

    def add(self, words: Iterable[str]) -> None:
        """Takes words in that are not known yet; those with digits are left out, since they have no typing errors."""
        for word in filter(str.isalpha, words):
            shelf = self._shelves[word[0]]
            shelf.words.append(word)
            shelf.signatures.append(_signature(word))
            others = self._by_rest.setdefault(word[1:], word)
            if others is not word:
                self._by_rest[word[1:]] = (others, word) if isinstance(others, str) else (*others, word)

    def near(self, asked: str) -> tuple[list[str], list[str]]:
        """The known words that one error lies between, and those with the same first letter that two do.

        Args:
            asked: what was typed: three letters or more, nothing else.
        """
        typed = readings(asked)
        one, two = [], []
        # All are compared in one call, and those that are left one by one.
        like = extract(asked, self._with_like_letters(asked), scorer=OSA.distance, score_cutoff=_ERRORS, limit=None)
        for word, distance, _ in like:
            if (distance == 1 and len(asked) > 3) or any(is_one_error(reading, word) for reading in typed):
                one.append(word)
            elif distance == _ERRORS:
                two.append(word)
        for reading in typed:
            wrong, missing, too_much, swapped = reading[1:], reading, reading[2:], reading[0] + reading[2:]
            for rest in (wrong, missing, too_much, swapped):
                words = self._by_rest.get(rest)
                if words is not None:
                    words = (words,) if isinstance(words, str) else words
                    one += [word for word in words if is_one_error(reading, word)]
        return one, two

    def _with_like_letters(self, asked: str) -> list[str]:
        """The words with the first letter of ``asked`` that two errors can lie between, and some more."""
        shelf = self._shelves.get(asked[0])
        if shelf is None:
            return []
        different = np.bitwise_count(np.frombuffer(shelf.signatures, dtype=np.uint64) ^ np.uint64(_signature(asked)))
        words = shelf.words
        return [words[place] for place in (different <= _MOST_CHANGED).nonzero()[0].tolist()]
