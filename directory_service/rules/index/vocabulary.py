"""The words of practices, and which of them a word of a search fits (``rules.index.fit`` says when)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from directory_service.rules.index.fit import (
    EXACT,
    INFIX,
    ONE_ERROR,
    PREFIX,
    TWO_ERRORS,
    is_one_error,
    may_be_infix,
    readings,
)
from directory_service.rules.index.parts import WordParts
from directory_service.rules.index.postings import Postings
from directory_service.rules.index.shelves import Shelves
from directory_service.rules.index.typing_errors import NearWords


class Vocabulary:
    """Words with the practices that have them."""

    def __init__(self) -> None:
        self.postings = Postings()
        self._near = NearWords()
        self._parts = WordParts()
        self._shelves = Shelves()
        self._learnt: set[str] = set()

    def end_load(self) -> None:
        """All words of many practices are in the postings; now they can be looked for."""
        self.postings.end_load()
        self._learn(self.postings.beginning_with(""))

    def add(self, word: str, slot: int) -> None:
        """Gives a practice a word that it does not have yet."""
        if self.postings.add(word, slot):
            self._learn([word])

    def discard(self, word: str, slot: int) -> None:
        """Takes a word from a practice that has it."""
        self.postings.discard(word, slot)

    def fitting(self, asked: str, errors: int) -> list[tuple[int, Sequence[str]]]:
        """The words that fit, by level, best first; no word is there twice.

        Args:
            asked: a folded word.
            errors: how many typing errors may be in it.
        """
        begin = self.postings.beginning_with(asked)
        exact = asked in self.postings
        found: list[tuple[int, Sequence[str]]] = [(EXACT, [asked] if exact else []), (PREFIX, begin[exact:])]
        taken: set[str] = set()
        if errors:
            one = self._one_error(asked)
            taken.update(one)
            found.append((ONE_ERROR, one))
            if errors > 1:
                two = [word for word in self._two_errors(asked) if word not in taken]
                taken.update(two)
                found.append((TWO_ERRORS, two))
        if may_be_infix(asked):
            parts = [word for word in self._parts.containing(asked) if word not in taken and word in self.postings]
            found.append((INFIX, parts))
        return [(level, words) for level, words in found if words]

    def _one_error(self, asked: str) -> list[str]:
        typed = readings(asked)
        return [
            word
            for word in self._near.near(typed)
            if word in self.postings
            and not word.startswith(asked)
            and any(is_one_error(reading, word) for reading in typed)
        ]

    def _two_errors(self, asked: str) -> list[str]:
        return [word for word in self._shelves.near(asked) if word in self.postings and not word.startswith(asked)]

    def _learn(self, words: Iterable[str]) -> None:
        fresh = [word for word in words if word not in self._learnt]
        self._near.add(fresh)
        self._parts.add(fresh)
        self._shelves.add(fresh)
        self._learnt.update(fresh)
