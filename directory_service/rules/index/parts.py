"""Finds the words that have a text inside them, by the groups of four letters that they share with it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

_GROUP = 4
"""As many letters as the shortest text that is looked for inside words; longer groups leave fewer words to look at."""


def _groups(word: str, first: int = 0) -> set[str]:
    return {word[start : start + _GROUP] for start in range(first, len(word) - _GROUP + 1)}


class WordParts:
    """Words by what is in them; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._with: dict[str, array[int]] = {}

    def add(self, words: Iterable[str]) -> None:
        """Takes words in that are not known yet."""
        for word in words:
            number = len(self._words)
            self._words.append(word)
            for group in _groups(word, first=1):  # what stands at the beginning is not looked for here
                if group in self._with:
                    self._with[group].append(number)
                else:
                    self._with[group] = array("I", (number,))

    def containing(self, asked: str) -> list[str]:
        """The known words that have ``asked`` (four letters or more) in them, but not at their beginning."""
        lists = [self._with.get(group) for group in _groups(asked)]
        rarest = min((numbers for numbers in lists if numbers), key=len, default=None)
        if rarest is None or not all(lists):
            return []
        known = self._words
        return [word for number in rarest if asked in (word := known[number]) and not word.startswith(asked)]
