"""Names that people see: which letters may stand in one, and which names pose as the house's own.

Two names look alike if their skeletons are equal (Unicode TR 39, 4); which letters look alike is said by the package
``confusable-homoglyphs``, made from Unicode's list.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import groupby

from confusable_homoglyphs import confusables

MAX_NAME_LENGTH = 255
"""Letters; what is longer is none of a person, a practice, a device or a client."""
_MAX_MARKS = 3
"""Marks over one letter: as many as any living language needs."""
# Unicode's Default_Ignorable_Code_Point beyond the categories below, which Python's unicodedata does not name, and the
# empty Braille cell, which shows nothing either.
_INVISIBLE = frozenset(
    map(
        chr,
        (
            0x034F,
            0x115F,
            0x1160,
            0x17B4,
            0x17B5,
            *range(0x180B, 0x1810),
            0x2800,
            0x3164,
            *range(0xFE00, 0xFE10),
            0xFFA0,
        ),
    )
)
_TAGS = range(0xE0000, 0xE1000)
_UNSHOWN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"})


class NameFault(StrEnum):
    """Why a name cannot be shown to people."""

    EMPTY = "empty"
    TOO_LONG = "too-long"
    UNSHOWN_LETTER = "unshown-letter"
    TOO_MANY_MARKS = "too-many-marks"
    RESERVED = "reserved"


def is_unshown(letter: str) -> bool:
    """Whether a character shows nothing, or changes how others are shown: controls, directions, joiners, tags."""
    return letter in _INVISIBLE or ord(letter) in _TAGS or unicodedata.category(letter) in _UNSHOWN


def without_unshown(text: str) -> str:
    """The text without what shows nothing; for what came from elsewhere and is shown all the same."""
    return "".join(letter for letter in text if not is_unshown(letter))


def letter_fault(name: str) -> NameFault | None:
    """Why a name cannot be shown, by its letters alone; None if it can."""
    if not name.strip():
        return NameFault.EMPTY
    if len(name) > MAX_NAME_LENGTH:
        return NameFault.TOO_LONG
    if any(map(is_unshown, name)):
        return NameFault.UNSHOWN_LETTER
    marks = groupby(unicodedata.normalize("NFC", name), key=lambda letter: unicodedata.combining(letter) > 0)
    if any(is_mark and len(list(run)) > _MAX_MARKS for is_mark, run in marks):
        return NameFault.TOO_MANY_MARKS
    return None


@lru_cache(maxsize=65_536)
def _prototype(letter: str) -> str:
    """The letter, or letters, that stand for all that look like this one."""
    found = confusables.is_confusable(letter, greedy=True, preferred_aliases=[])
    if not found:
        return letter
    alike = [one["c"] for one in found[0]["homoglyphs"]]
    if len(alike) > 1:
        return letter
    # A letter that looks like one other letter alone is either the one that stands for both, or not: both agree on one.
    others = confusables.is_confusable(alike[0], greedy=True, preferred_aliases=[])
    mutual = bool(others) and len(alike[0]) == 1 and len(others[0]["homoglyphs"]) == 1
    return min(letter, alike[0]) if mutual else str(alike[0])


def _without_marks(text: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFKD", text) if not unicodedata.combining(letter))


@lru_cache(maxsize=8_192)
def skeletons(text: str) -> frozenset[str]:
    """The forms by which texts that look alike are equal, whatever their case.

    Some letters look alike in capitals only (Cyrillic ``н`` and ``h``), so that a text has a form as it is written and
    one in capitals.
    """
    shown = _without_marks(without_unshown(text))
    return frozenset(
        "".join(_prototype(letter) for letter in form).casefold().replace("l", "i") for form in (shown, shown.upper())
    )


def _words(text: str) -> list[str]:
    """The words of a text; letters that are set apart are one word (``H. E. K.``)."""
    parts = "".join(letter if letter.isalnum() else " " for letter in _without_marks(without_unshown(text))).split()
    words: list[str] = []
    for is_single, run in groupby(parts, key=lambda part: len(part) == 1):
        found = list(run)
        words += ["".join(found)] if is_single else found
    return words


def _holds(words: Sequence[frozenset[str]], reserved: Sequence[frozenset[str]]) -> bool:
    """Whether the reserved words stand in the others one after another."""
    return any(
        all(word & wanted for word, wanted in zip(words[first:], reserved, strict=False))
        for first in range(len(words) - len(reserved) + 1)
    )


@dataclass(frozen=True, slots=True)
class ReservedNames:
    """The house's own names, which nobody else may bear or have in a name.

    Attributes:
        names: the names, e.g. ``HEK``, ``HEK Service``.
        allowed: whole names that may be borne all the same, such as that of a doctor who is called so.
    """

    names: frozenset[str]
    allowed: frozenset[str] = frozenset()

    def are_in(self, name: str) -> bool:
        """Whether a name has one of them in it, or looks as if it had."""
        whole = skeletons("".join(_words(name)))
        if any(whole & skeletons("".join(_words(allowed))) for allowed in self.allowed):
            return False
        words = [skeletons(word) for word in _words(name)]
        for reserved in self.names:
            wanted = _words(reserved)
            if wanted and (_holds(words, [skeletons(word) for word in wanted]) or whole & skeletons("".join(wanted))):
                return True
        return False


def reserved_names(names: Iterable[str], allowed: Iterable[str] = ()) -> ReservedNames:
    """The house's names from its settings."""
    return ReservedNames(frozenset(names), frozenset(allowed))


def name_fault(name: str, reserved: ReservedNames) -> NameFault | None:
    """Why a name cannot be shown to people as somebody's who is not of the house; None if it can."""
    return letter_fault(name) or (NameFault.RESERVED if reserved.are_in(name) else None)
