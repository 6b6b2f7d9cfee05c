"""What the benchmark's patients type: classes of searches, and spellings of names with mistakes in them."""

from __future__ import annotations

import random
import string
from collections import Counter
from collections.abc import Sequence
from urllib.parse import urlencode

from directory_service.rules.practice import Practice

CLASSES = ("prefix", "typo", "near", "combined", "filtered")
_TWO_LETTERS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
_LETTERS = string.ascii_lowercase
PATH = "/fdv/search/HealthcareService"
COUNT = 20
# As many cities and specialties count as large and as common.
_LARGE, _COMMON = 15, 9

Known = Sequence[tuple[Practice, str]]


def with_one_error(word: str, chance: random.Random) -> str:
    """A word with one letter left out, put in, wrong, or swapped with the next."""
    while True:
        place = chance.randrange(len(word))
        before, letter, after = word[:place], word[place], word[place + 1 :]
        wrong = chance.choice(
            [
                before + after,
                before + chance.choice(_LETTERS) + letter + after,
                before + chance.choice(_LETTERS) + after,
                before + after[:1] + letter + after[1:],
            ]
        )
        if wrong != word:
            return wrong


def spelled_out(word: str) -> str:
    """A word as somebody without umlauts on the keyboard types it."""
    return word.translate(_TWO_LETTERS)


def has_umlaut(word: str) -> bool:
    """Whether it has other letters than a to z."""
    return spelled_out(word) != word


def in_large_cities(practices: Known) -> Known:
    """Practices of the specialties that are found most often, in the cities with the most practices."""
    cities = Counter(practice.profile.address.city for practice, _ in practices if practice.profile.address)
    codes = Counter(code for practice, _ in practices for code in practice.profile.specialties)
    large = {city for city, _ in cities.most_common(_LARGE)}
    common = {code for code, _ in codes.most_common(_COMMON)}
    return [
        one
        for one in practices
        if one[0].profile.address
        and one[0].profile.address.city in large
        and common.intersection(one[0].profile.specialties)
    ]


def searches(kind: str, practices: Known, number: int, seed: int = 3) -> list[str]:
    """The addresses of searches of one class, each other than the last."""
    chance = random.Random(f"{seed} {kind}")  # noqa: S311 - not a secret
    addresses = []
    for practice, surname in chance.choices(practices, k=number):
        address = practice.profile.address
        assert address is not None
        assert address.position is not None
        place = f"{address.position.latitude:.3f}|{address.position.longitude:.3f}|10|km"
        beginning = surname[: chance.randint(3, max(3, len(surname) - 1))]
        parameters = {
            "prefix": {"_text": beginning},
            "typo": {"_text": with_one_error(surname, chance)},
            "near": {"specialty": practice.profile.specialties[0], "location.near": place},
            "combined": {
                "_text": beginning,
                "specialty": practice.profile.specialties[0],
                "location.near": place,
            },
            "filtered": {
                "communication": practice.profile.languages[-1],
                "characteristic": practice.profile.accessibility[0].feature.value,
                "specialty": practice.profile.specialties[0],
            },
        }[kind]
        addresses.append(f"{PATH}?{urlencode({**parameters, '_count': str(COUNT)})}")
    return addresses
