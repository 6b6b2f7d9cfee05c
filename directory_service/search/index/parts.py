"""Finds the words that have a text inside them, by the groups of four letters that they share with it."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from directory_service.search.index.fit import MIN_INFIX

GROUP = MIN_INFIX
"""As many letters as the shortest text that is looked for inside words; longer groups leave fewer words to look at."""


def inner_groups(word: str, letters: int = GROUP) -> set[str]:
    """The groups of letters in a word; the one at its beginning is not looked for inside words."""
    return {word[start : start + letters] for start in range(1, len(word) - letters + 1)}


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
            for group in inner_groups(word):
                if group in self._with:
                    self._with[group].append(number)
                else:
                    self._with[group] = array("I", (number,))

    def containing(self, asked: str) -> list[str]:
        """The known words that have ``asked`` (more than four letters) in them; those that begin with it may lack."""
        rarest: array[int] | None = None
        for start in range(len(asked) - GROUP + 1):
            numbers = self._with.get(asked[start : start + GROUP])
            if numbers is None:
                return []
            if rarest is None or len(numbers) < len(rarest):
                rarest = numbers
        words = self._words
        return [word for number in rarest or () if asked in (word := words[number])]
