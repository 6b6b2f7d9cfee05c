"""When a word of a search fits a word of a practice, and how well.

The order is: the same word, its beginning, a typing error in it, a part of it (``Arztpraxis`` in ``Kinderarztpraxis``).
Words are folded (``rules.folding``), so that umlauts in every spelling are the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from rapidfuzz.distance import OSA

from directory_service.rules.folding import words
from directory_service.search.index.query import Reason

LEVELS = 5
EXACT, PREFIX, ONE_ERROR, TWO_ERRORS, INFIX = range(LEVELS)
NO_MATCH = 7
"""Levels, best first."""

_REASONS = (Reason.EXACT, Reason.PREFIX, Reason.TYPO, Reason.TYPO, Reason.INFIX)
MAX_WORDS = 32
MIN_INFIX = 4
LONG = 8
"""From so many letters on two typing errors are forgiven."""


class Instead(NamedTuple):
    """Words that are looked for beside one that was asked for.

    Attributes:
        words: any of them, folded; they have no typing errors.
        best: the level at which they fit at best.
    """

    words: tuple[str, ...] = ()
    best: int = EXACT


class TooManyWords(ValueError):  # noqa: N818 - reads as what happened
    """A search has more words than a person would type."""


def search_words(texts: Iterable[str]) -> tuple[str, ...]:
    """The distinct folded words of free texts.

    Raises:
        TooManyWords: if there are more than ``MAX_WORDS``.
    """
    distinct = tuple(dict.fromkeys(word for text in texts for word in words(text)))
    if len(distinct) > MAX_WORDS:
        raise TooManyWords
    return distinct


def reason_for(level: int) -> Reason:
    """What a person is told about a level."""
    return _REASONS[level]


def errors_allowed(asked: str) -> int:
    """How many typing errors a word may have: none with digits (postcodes) or below three letters, two from eight on.

    Words that the directory knows as medical are taken as they are: ``Hautarzt`` is no misspelt ``Hausarzt``. The
    caller looks after that.
    """
    if not asked.isalpha() or len(asked) < 3:
        return 0
    return 2 if len(asked) >= LONG else 1


def may_be_infix(asked: str) -> bool:
    """Whether a word is looked for inside others: four letters or more, no digits."""
    return len(asked) >= MIN_INFIX and asked.isalpha()


def level_of(asked: str, word: str, *, errors: int) -> int:
    """How well a word that was asked for fits one of a practice, ``NO_MATCH`` if it does not.

    Two errors are forgiven if the first letter is right.

    Args:
        asked: the folded word of the search.
        word: a folded word of the practice.
        errors: how many typing errors may be in ``asked``.
    """
    if word == asked:
        return EXACT
    if word.startswith(asked):
        return PREFIX
    if errors and (level := _typing_error(asked, word, errors)) != NO_MATCH:
        return level
    return INFIX if may_be_infix(asked) and asked in word else NO_MATCH


def readings(asked: str) -> list[str]:
    """What may have been typed: folding has taken an ``e`` after a, o and u for a part of an umlaut.

    ``Buer`` is a misspelt ``Bauer``, but folded it is ``bur``, which lacks two letters; an ``e`` that folding has
    swallowed is no error.
    """
    places = [place for place, letter in enumerate(asked, 1) if letter in "aou" and asked[place : place + 1] != "e"]
    return [asked, *(f"{asked[:place]}e{asked[place:]}" for place in places)]


def is_one_error(typed: str, word: str) -> bool:
    """Whether exactly one typing error is between two words; a word of three letters may only lack one (``Kch``)."""
    if len(typed) == 3 and len(word) != 4:
        return False
    return OSA.distance(typed, word, score_cutoff=1) == 1


def _typing_error(asked: str, word: str, errors: int) -> int:
    if not word.isalpha():
        return NO_MATCH
    if any(is_one_error(typed, word) for typed in readings(asked)):
        return ONE_ERROR
    two = errors > 1 and asked[0] == word[0] and OSA.distance(asked, word, score_cutoff=2) == 2
    return TWO_ERRORS if two else NO_MATCH
