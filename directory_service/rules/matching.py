"""When a practice matches a search: one rule for the client's own search box and for FHIR.

Every word of the search must begin a word of the practice's name, city or postcode, or a word by which one of its
specialties is known. City, postcode and specialty can be asked for separately; each then must fit as well.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from directory_service.rules.folding import words
from directory_service.rules.profile import Address
from directory_service.rules.specialties import SpecialtyTable

MAX_WORDS = 32


class TooManyWords(ValueError):  # noqa: N818 - reads as what happened
    """A search has more words than a person would type."""


@dataclass(frozen=True, slots=True)
class SearchWord:
    """A folded word of a search, and the specialties that it may mean."""

    text: str
    specialties: frozenset[str]


@dataclass(frozen=True, slots=True)
class Search:
    """What is searched for; all parts must fit, of a group any member.

    Attributes:
        words: from free text.
        cities: groups of folded beginnings of a city's name.
        postcodes: groups of beginnings of a postcode.
        specialties: groups of codes.
    """

    words: tuple[SearchWord, ...] = ()
    cities: tuple[tuple[str, ...], ...] = ()
    postcodes: tuple[tuple[str, ...], ...] = ()
    specialties: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class SearchForms:
    """A practice's texts as they are searched; ``all_words`` has a space before each word."""

    all_words: str
    name: str
    city: str


def search_forms(name: str, address: Address | None) -> SearchForms:
    """The folded texts of a practice; specialties are matched by their codes."""
    place = (address.city, address.postcode) if address else ()
    return SearchForms(
        all_words="".join(f" {word}" for word in words(" ".join((name, *place)))),
        name=" ".join(words(name)),
        city=" ".join(words(address.city)) if address else "",
    )


def search_words(texts: Iterable[str], table: SpecialtyTable) -> tuple[SearchWord, ...]:
    """The distinct words of free texts.

    Raises:
        TooManyWords: if there are more than ``MAX_WORDS``.
    """
    distinct = dict.fromkeys(word for text in texts for word in words(text))
    if len(distinct) > MAX_WORDS:
        raise TooManyWords
    return tuple(SearchWord(word, table.meant_by(word)) for word in distinct)
