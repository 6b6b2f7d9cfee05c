"""The words of practices, and which practices a word of a search fits (``search.index.fit`` says when)."""

from __future__ import annotations

from bisect import insort
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from typing import NamedTuple

from directory_service.search.index.fit import EXACT, INFIX, ONE_ERROR, PREFIX, TWO_ERRORS, may_be_infix
from directory_service.search.index.parts import GROUP, WordParts, inner_groups
from directory_service.search.index.postings import Postings, SlotSet, Value, beginning_in
from directory_service.search.index.typing_errors import NearWords

_SHORT = 5
"""Texts of up to so many letters have sets of their own, for words that begin with them or have them inside: few words
have a longer one."""


class AskedWord(NamedTuple):
    """A word of a search with what is like it.

    Attributes:
        text: the folded word.
        like: words that begin with it, have typing errors in it or it inside, by level, best first; a word can be
            there twice. Where many words share a short text, vocabularies have a set for it, and no words are here.
    """

    text: str
    like: tuple[tuple[int, Sequence[str]], ...]


class Lexicon:
    """All words, however they are used; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        self._near = NearWords()
        self._parts = WordParts()
        self._learnt: set[str] = set()
        self._sorted: list[str] = []

    def learn(self, words: Iterable[str]) -> None:
        """Takes words in; those that are known already are left as they are."""
        fresh = [word for word in words if word not in self._learnt]
        self._near.add(fresh)
        self._parts.add(fresh)
        self._learnt.update(fresh)
        for word in fresh:
            insort(self._sorted, word)

    def asked(self, text: str, errors: int) -> AskedWord:
        """Looks for what is like a folded word.

        Args:
            text: the word.
            errors: how many typing errors may be in it.
        """
        found: list[tuple[int, Sequence[str]]] = []
        if len(text) > _SHORT:
            found.append((PREFIX, beginning_in(self._sorted, text)))
        if errors:
            one, two = self._near.near(text)
            found += [(ONE_ERROR, one), (TWO_ERRORS, two)]
        if may_be_infix(text) and len(text) > _SHORT:
            found.append((INFIX, self._parts.containing(text)))
        return AskedWord(text, tuple((level, words) for level, words in found if words))


class Vocabulary:
    """Words with the practices that have them."""

    def __init__(self, lexicon: Lexicon) -> None:
        """Takes the lexicon that learns its words."""
        self._words = Postings()
        self._beginnings = Postings()
        self._inside = Postings()
        self._lexicon = lexicon

    def load(self, values: Iterable[Value], words_of: Callable[[Value], Iterable[str]]) -> None:
        """Gives slots 0, 1, 2, … the words of their values; nothing is asked before ``end_load``."""
        self._words.load(values, words_of)

    def load_copy(self, other: Vocabulary) -> None:
        """Takes all words of another vocabulary in; there are none yet."""
        self._words.load_copy(other._words)

    def end_load(self) -> None:
        """All words of many practices are there; now they can be looked for."""
        words = sorted(self._words)
        self._lexicon.learn(words)
        for length in range(1, _SHORT + 1):
            long_enough = (word for word in words if len(word) >= length)
            for beginning, alike in groupby(long_enough, key=lambda word: word[:length]):
                self._beginnings.put_together(beginning, self._words.sets(alike))
        having: defaultdict[str, list[str]] = defaultdict(list)
        for word in words:
            for group in _groups_of((word,)):
                having[group].append(word)
        for group, having_it in having.items():
            self._inside.put_together(group, self._words.sets(having_it))

    def change(self, slot: int, before: set[str], after: set[str]) -> None:
        """Gives a practice other words than it had."""
        self._lexicon.learn(after - before)
        self._words.change(slot, before, after)
        self._beginnings.change(slot, _beginnings_of(before), _beginnings_of(after))
        self._inside.change(slot, _groups_of(before), _groups_of(after))

    def fitting(self, asked: AskedWord) -> dict[int, list[SlotSet]]:
        """The slots that a word fits, by level; those of a better level can be there again."""
        text = asked.text
        found = {EXACT: self._words.sets((text,))}
        if len(text) <= _SHORT:
            found[PREFIX] = self._beginnings.sets((text,))
            if may_be_infix(text):
                found[INFIX] = self._inside.sets((text,))
        for level, words in asked.like:
            found[level] = self._words.sets(words)
        return {level: sets for level, sets in found.items() if sets}


def _beginnings_of(words: set[str]) -> set[str]:
    return {word[:length] for word in words for length in range(1, min(_SHORT, len(word)) + 1)}


def _groups_of(words: Iterable[str]) -> set[str]:
    return {group for word in words for letters in range(GROUP, _SHORT + 1) for group in inner_groups(word, letters)}
