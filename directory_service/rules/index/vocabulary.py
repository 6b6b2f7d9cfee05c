"""The words of practices, and which of them a word of a search fits (``rules.index.fit`` says when)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

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


class AskedWord(NamedTuple):
    """A word of a search with what is like it.

    Attributes:
        text: the folded word.
        like: words that have typing errors in it or it inside, by level, best first; no word is there twice.
    """

    text: str
    like: tuple[tuple[int, list[str]], ...]


class Lexicon:
    """All words, however they are used; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._near = NearWords()
        self._parts = WordParts()
        self._shelves = Shelves()
        self._learnt: set[str] = set()

    def learn(self, words: Iterable[str]) -> None:
        """Takes words in; those that are known already are left as they are."""
        fresh = [word for word in words if word not in self._learnt]
        self._near.add(fresh)
        self._parts.add(fresh)
        self._shelves.add(fresh)
        self._learnt.update(fresh)

    def asked(self, text: str, errors: int) -> AskedWord:
        """Looks for what is like a folded word.

        Args:
            text: the word.
            errors: how many typing errors may be in it.
        """
        found: list[tuple[int, list[str]]] = []
        taken: set[str] = set()
        if errors:
            one = self._one_error(text)
            taken.update(one)
            found.append((ONE_ERROR, one))
        if errors > 1:
            two = [word for word in self._shelves.near(text) if word not in taken and not word.startswith(text)]
            taken.update(two)
            found.append((TWO_ERRORS, two))
        if may_be_infix(text):
            found.append((INFIX, [word for word in self._parts.containing(text) if word not in taken]))
        return AskedWord(text, tuple(found))

    def _one_error(self, asked: str) -> list[str]:
        typed = readings(asked)
        return [
            word
            for word in self._near.near(typed)
            if not word.startswith(asked) and any(is_one_error(reading, word) for reading in typed)
        ]


class Vocabulary:
    """Words with the practices that have them."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Takes the lexicon that learns its words."""
        self.postings = Postings()
        self._lexicon = lexicon

    def end_load(self) -> None:
        """All words of many practices are in the postings; now they can be looked for."""
        self.postings.end_load()
        self._lexicon.learn(self.postings.beginning_with(""))

    def load(self, texts: Iterable[str]) -> None:
        """Gives slots 0, 1, 2, … the words of their texts; nothing is asked before ``end_load``."""
        self.postings.load(texts, str.split)

    def add(self, word: str, slot: int) -> None:
        """Gives a practice a word that it does not have yet."""
        if self.postings.add(word, slot):
            self._lexicon.learn([word])

    def discard(self, word: str, slot: int) -> None:
        """Takes a word from a practice that has it."""
        self.postings.discard(word, slot)

    def fitting(self, asked: AskedWord) -> list[tuple[int, Sequence[str]]]:
        """The words that fit and that practices have, by level, best first; no word is there twice."""
        begin = self.postings.beginning_with(asked.text)
        exact = asked.text in self.postings
        found: list[tuple[int, Sequence[str]]] = [(EXACT, [asked.text] if exact else []), (PREFIX, begin[exact:])]
        found += [(level, self.postings.known(words)) for level, words in asked.like]
        return [(level, words) for level, words in found if words]
