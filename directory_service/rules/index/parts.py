"""Finds the words that have a text inside them, by the groups of four letters that they share with it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from directory_service.rules.index.fit import MIN_INFIX

_GROUP = MIN_INFIX
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
        """The known words that have ``asked`` (four letters or more) in them; those that begin with it may lack."""
        lists = [self._with.get(group, ()) for group in _groups(asked)]
        rarest = min(lists, key=len)
        words = map(self._words.__getitem__, rarest)
        return list(words) if len(asked) == _GROUP else [word for word in words if asked in word]
