"""The texts of a practice as the database keeps them to be compared."""

from __future__ import annotations

from dataclasses import dataclass

from directory_service.rules.folding import words
from directory_service.rules.profile import Address


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
