"""The medical specialties that a practice may name: codes, German names, and what patients call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from directory_service.rules.folding import words

CODE_SYSTEM = "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4"
"""IHE Germany's practiceSettingCode, which gematik's directory uses."""


@dataclass(frozen=True, slots=True)
class Specialty:
    """One specialty.

    Attributes:
        code: its code in the code system, e.g. ``ALLG``.
        display: its German name, e.g. ``Allgemeinmedizin``.
        synonyms: what patients say for it, e.g. ``Hausarzt``.
    """

    code: str
    display: str
    synonyms: tuple[str, ...] = ()


class SpecialtyTable:
    """The specialties that the directory knows."""

    def __init__(self, specialties: Iterable[Specialty]) -> None:
        self._by_code = {specialty.code: specialty for specialty in specialties}
        self._words = {
            code: frozenset(words(" ".join((specialty.display, *specialty.synonyms))))
            for code, specialty in self._by_code.items()
        }
        self._all_words = frozenset().union(*self._words.values())

    @classmethod
    def from_entries(cls, entries: Mapping[str, Mapping[str, object]]) -> SpecialtyTable:
        """Takes ``{code: {"display": …, "synonyms": […]}}``, as in ``specialties.yaml``."""
        specialties = []
        for code, entry in entries.items():
            synonyms = entry.get("synonyms", [])
            assert isinstance(synonyms, list)
            specialties.append(Specialty(code, str(entry["display"]), tuple(map(str, synonyms))))
        return cls(specialties)

    def display(self, code: str) -> str:
        """The German name of a specialty that the table once accepted; its code if the table lost it since."""
        known = self._by_code.get(code)
        return known.display if known else code

    def synonyms(self, code: str) -> tuple[str, ...]:
        """What patients say for a specialty."""
        known = self._by_code.get(code)
        return known.synonyms if known else ()

    def called(self, name: str) -> tuple[str, ...]:
        """The codes of the specialties for which a name is found: all of its words are words of theirs, or begin them.

        Those that bear the very name come first.
        """
        asked = words(name)
        fitting = [
            (name not in {known.display, *known.synonyms}, known.display, code)
            for code, known in self._by_code.items()
            if all(any(word.startswith(one) for word in self._words[code]) for one in asked)
        ]
        return tuple(code for _, _, code in sorted(fitting))

    def unknown(self, codes: Sequence[str]) -> list[int]:
        """The places in ``codes`` that hold no code of the table."""
        return [place for place, code in enumerate(codes) if code not in self._by_code]

    def codes(self) -> list[str]:
        """All codes, sorted."""
        return sorted(self._by_code)

    def words_of(self, codes: Iterable[str]) -> tuple[str, ...]:
        """The folded words, of names and synonyms, by which some specialties are known; sorted."""
        return tuple(sorted(frozenset().union(*(self._words.get(code, frozenset()) for code in codes))))

    def knows(self, word: str) -> bool:
        """Whether a folded word is one of a specialty's name or synonyms; such a word is never a typing error."""
        return word in self._all_words

    def meant_by(self, prefix: str) -> frozenset[str]:
        """The codes of the specialties that have a word, in name or synonyms, which begins with a folded word."""
        return frozenset(code for code, known in self._words.items() if any(word.startswith(prefix) for word in known))
