"""Finds the words that one or two typing errors lie between: a letter left out, put in, wrong, or two swapped.

If it is one error, the two words are the same, or one is what the other becomes, when each may lose a letter; so a
table leads to a word from all that is left of it without one of its letters. Two errors are forgiven in long words that
begin alike. Among those, a number of 64 bits for each sorts nearly all out at once: a wrong letter changes at most two
of its bits, one left out or put in changes one for the letter and one for the length.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Iterable
from string import ascii_lowercase

import numpy as np
from rapidfuzz.distance import OSA
from rapidfuzz.process import extract

from directory_service.search.index.fit import LONG, is_one_error, readings

_ERRORS = 2
_MOST_CHANGED = 4
"""So many bits two errors change."""
_LETTERS = {letter: 1 << place for place, letter in enumerate(ascii_lowercase)}
_TWICE = len(_LETTERS)
_LENGTH, _SHORTEST, _LONGEST = 2 * _TWICE, 3, 15
_CHAINS = 1 << 20
_NUMBER_BITS = 32
_NUMBER = (1 << _NUMBER_BITS) - 1


def _signature(word: str) -> int:
    """A bit for each letter, another for each that is there twice, and the length as a row of bits."""
    once = twice = 0
    for letter in word:
        bit = _LETTERS[letter]
        twice |= once & bit
        once |= bit
    return once | twice << _TWICE | (1 << max(0, min(len(word), _LONGEST) - _SHORTEST)) - 1 << _LENGTH


def _shortened(word: str) -> set[str]:
    """A word, and what is left of it without one of its letters."""
    return {word, *(word[:place] + word[place + 1 :] for place in range(len(word)))}


class _Shortened:
    """Numbers of words by what they become without a letter: chains in arrays, a twentieth of a table's memory.

    Texts share a chain where their hashes do, so that other words may be in it as well.
    """

    def __init__(self) -> None:
        self._newest = array("I", [0]) * _CHAINS
        self._links = array("Q", [0])

    def add(self, number: int, word: str) -> None:
        """Takes a word in."""
        for text in _shortened(word):
            chain = hash(text) % _CHAINS
            # The link before and the number in one, since memory is what takes the time.
            before, self._newest[chain] = self._newest[chain], len(self._links)
            self._links.append(before << _NUMBER_BITS | number)

    def having(self, texts: Iterable[str]) -> set[int]:
        """The numbers of all words that become one of some texts, and of some others."""
        newest, links = self._newest, self._links
        found: set[int] = set()
        for text in texts:
            place = newest[hash(text) % _CHAINS]
            while place:
                link = links[place]
                found.add(link & _NUMBER)
                place = link >> _NUMBER_BITS
        return found


class _Shelf:
    """The words with one first letter that are long enough for two errors, with their signatures."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.signatures = array("Q")


class NearWords:
    """Words by what is near them; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._shortened = _Shortened()
        self._shelves: defaultdict[str, _Shelf] = defaultdict(_Shelf)

    def add(self, words: Iterable[str]) -> None:
        """Takes words in that are not known yet; those with digits are left out, since they have no typing errors."""
        for word in filter(str.isalpha, words):
            self._shortened.add(len(self._words), word)
            self._words.append(word)
            if len(word) >= LONG - _ERRORS:  # shorter ones are no long word with two errors
                shelf = self._shelves[word[0]]
                shelf.words.append(word)
                shelf.signatures.append(_signature(word))

    def near(self, asked: str) -> tuple[list[str], list[str]]:
        """The known words that one error lies between, and those that two do if ``asked`` is long enough for two.

        Args:
            asked: what was typed: three letters or more, nothing else.
        """
        typed = readings(asked)
        if len(asked) < LONG:
            # One of three letters may only lack one (``is_one_error``).
            texts = [{reading} if len(reading) == 3 else _shortened(reading) for reading in typed]
            return [word for one in zip(typed, texts, strict=True) for word in self._one_error(*one)], []
        one, two = [], []
        # All that begin alike are compared in one call, which is faster than the table; those that are left one by one.
        like = extract(asked, self._with_like_letters(asked), scorer=OSA.distance, score_cutoff=_ERRORS, limit=None)
        for word, distance, _ in like:
            if distance == 1 or any(is_one_error(reading, word) for reading in typed):
                one.append(word)
            elif distance == _ERRORS:
                two.append(word)
        for reading in typed:
            # Wrong, missing, too much, swapped: an error in the first letter leaves what follows.
            one += self._one_error(reading, (reading[1:], reading, reading[2:], reading[0] + reading[2:]))
        return one, two

    def _one_error(self, reading: str, texts: Iterable[str]) -> list[str]:
        """Those that become one of some texts without a letter, and that one error lies between."""
        words = self._words
        return [word for number in self._shortened.having(texts) if is_one_error(reading, word := words[number])]

    def _with_like_letters(self, asked: str) -> list[str]:
        """The words with the first letter of ``asked`` that two errors can lie between, and some more."""
        shelf = self._shelves.get(asked[0])
        if shelf is None:
            return []
        different = np.bitwise_count(np.frombuffer(shelf.signatures, dtype=np.uint64) ^ np.uint64(_signature(asked)))
        words = shelf.words
        return [words[place] for place in (different <= _MOST_CHANGED).nonzero()[0].tolist()]
