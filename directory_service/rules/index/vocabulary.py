"""The words of practices, and which practices a word of a search fits (``rules.index.fit`` says when)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from directory_service.rules.index.fit import EXACT, INFIX, ONE_ERROR, PREFIX, TWO_ERRORS, may_be_infix
from directory_service.rules.index.parts import WordParts
from directory_service.rules.index.postings import SlotSet, Texts, Value
from directory_service.rules.index.typing_errors import NearWords

_SHORT = 5
"""Beginnings of up to so many letters have sets of their own: few words begin with a longer one."""


class AskedWord(NamedTuple):
    """A word of a search with what is like it.

    Attributes:
        text: the folded word.
        like: words that have typing errors in it or it inside, by level, best first; a word can be there twice.
    """

    text: str
    like: tuple[tuple[int, list[str]], ...]


class Lexicon:
    """All words, however they are used; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._near = NearWords()
        self._parts = WordParts()
        self._learnt: set[str] = set()

    def learn(self, words: Iterable[str]) -> None:
        """Takes words in; those that are known already are left as they are."""
        fresh = [word for word in words if word not in self._learnt]
        self._near.add(fresh)
        self._parts.add(fresh)
        self._learnt.update(fresh)

    def asked(self, text: str, errors: int) -> AskedWord:
        """Looks for what is like a folded word.

        Args:
            text: the word.
            errors: how many typing errors may be in it.
        """
        found: list[tuple[int, list[str]]] = []
        if errors:
            one, two = self._near.near(text)
            found.append((ONE_ERROR, one))
            if errors > 1:
                found.append((TWO_ERRORS, two))
        if may_be_infix(text):
            found.append((INFIX, self._parts.containing(text)))
        return AskedWord(text, tuple((level, words) for level, words in found if words))


class Vocabulary:
    """Words with the practices that have them."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Takes the lexicon that learns its words."""
        self._words = Texts(_SHORT)
        self._lexicon = lexicon

    def load(self, values: Iterable[Value], words_of: Callable[[Value], Iterable[str]]) -> None:
        """Gives slots 0, 1, 2, … the words of their values; nothing is asked before ``end_load``."""
        self._words.load(values, words_of)

    def end_load(self) -> None:
        """All words of many practices are there; now they can be looked for."""
        self._words.end_load()
        self._lexicon.learn(self._words)

    def change(self, slot: int, before: set[str], after: set[str]) -> None:
        """Gives a practice other words than it had."""
        self._lexicon.learn(self._words.change(slot, before, after))

    def fitting(self, asked: AskedWord) -> dict[int, list[SlotSet]]:
        """The slots that a word fits, by level, best first; those of a better level can be there again."""
        words = self._words
        found = {EXACT: words.sets((asked.text,)), PREFIX: words.beginning_with(asked.text)}
        found |= {level: words.sets(like) for level, like in asked.like}
        return {level: sets for level, sets in found.items() if sets}
