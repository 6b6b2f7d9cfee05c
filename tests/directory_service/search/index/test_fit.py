"""Which words of a practice a word of a search fits, and how well."""

import pytest

from directory_service.rules.folding import words
from directory_service.search.index.fit import (
    MAX_WORDS,
    NO_MATCH,
    TooManyWords,
    errors_allowed,
    level_of,
    reason_for,
    search_words,
)

EXAMPLES: list[tuple[str, str, str | None]] = [
    ("Mueller", "Müller", "exact"),
    ("Muller", "Müller", "exact"),
    ("Gross", "Groß", "exact"),
    ("Mül", "Müllerin", "prefix"),
    ("Mueler", "Müller", "typo"),
    ("Mulelr", "Müller", "typo"),
    ("Schmitdbauer", "Schmidtbauer", "typo"),
    ("Schmitbaur", "Schmidtbauer", "typo"),
    ("Buer", "Bauer", "typo"),
    ("Maer", "Maier", "typo"),
    ("Kch", "Koch", "typo"),
    ("Arztpraxis", "Kinderarztpraxis", "infix"),
    ("Kxch", "Kuch", "typo"),
    ("Kxcx", "Koch", None),
    ("Kac", "Koc", None),
    ("Xchmidbauer", "Schmidtbauer", None),
    ("arz", "Kinderarztpraxis", None),
    ("10116", "10115", None),
    ("0115", "10115", None),
]


@pytest.mark.parametrize(("asked", "word", "reason"), EXAMPLES)
def test_a_word_fits_another(asked: str, word: str, reason: str | None) -> None:
    (typed,), (known,) = words(asked), words(word)
    level = level_of(typed, known, errors=errors_allowed(typed))
    assert (None if level == NO_MATCH else reason_for(level).value) == reason


def test_words_without_allowed_errors_are_taken_as_they_are() -> None:
    assert level_of("hautarzt", "hausarzt", errors=0) == NO_MATCH
    assert level_of("hautarzt", "hausarzt", errors=2) != NO_MATCH


def test_a_search_has_each_word_once_and_not_too_many() -> None:
    assert search_words(["Müller hamburg", "Mueller"]) == ("muller", "hamburg")
    with pytest.raises(TooManyWords):
        search_words([" ".join(map(str, range(MAX_WORDS + 1)))])
