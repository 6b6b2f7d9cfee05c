"""The medical specialties that a practice may name: codes, German names, and what patients call them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from directory_service.rules.folding import words

CODE_SYSTEM = "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4"
"""IHE Germany's practiceSettingCode of doctors and dentists; gematik's directory has others beside it."""


@dataclass(frozen=True, slots=True)
class Specialty:
    """One specialty.

    Attributes:
        code: its code in the code system, e.g. ``ALLG``.
        display: its German name, e.g. ``Allgemeinmedizin``.
        synonyms: what patients say for it, e.g. ``Hausarzt``.
        maybe: what they say for some of its practices, when no code tells which: a family doctor may be an internist.
        not_with: codes; a practice with one of them is none of those.
        system: the code system.
    """

    code: str
    display: str
    synonyms: tuple[str, ...] = ()
    maybe: tuple[str, ...] = ()
    not_with: frozenset[str] = frozenset()
    system: str = CODE_SYSTEM

    @property
    def names(self) -> tuple[str, ...]:
        """Everything that it is called."""
        return self.display, *self.synonyms, *self.maybe


class SpecialtyTable:
    """The specialties that the directory knows."""

    def __init__(self, specialties: Iterable[Specialty]) -> None:
        self._by_code = {specialty.code: specialty for specialty in specialties}
        self._words = {code: _words((known.display, *known.synonyms)) for code, known in self._by_code.items()}
        self._maybe = {code: _words(known.maybe) for code, known in self._by_code.items() if known.maybe}
        self._all_words = frozenset().union(*self._words.values(), *self._maybe.values())

    @classmethod
    def from_entries(cls, entries: Mapping[str, Mapping[str, object]]) -> SpecialtyTable:
        """Takes what ``specialties.yaml`` has: ``{code: {"display": …}}``, and as it needs the other attributes."""
        return cls(
            Specialty(
                code,
                str(entry["display"]),
                synonyms=_texts(entry, "synonyms"),
                maybe=_texts(entry, "maybe"),
                not_with=frozenset(_texts(entry, "not_with")),
                system=str(entry.get("system", CODE_SYSTEM)),
            )
            for code, entry in entries.items()
        )

    def display(self, code: str) -> str:
        """The German name of a specialty that the table once accepted; its code if the table lost it since."""
        known = self._by_code.get(code)
        return known.display if known else code

    def systems(self) -> dict[str, str]:
        """The code system of each code."""
        return {code: known.system for code, known in self._by_code.items()}

    def system(self, code: str) -> str:
        """The code system of a specialty that the table once accepted."""
        known = self._by_code.get(code)
        return known.system if known else CODE_SYSTEM

    def names(self, code: str) -> tuple[str, ...]:
        """What a specialty is called, its own name first."""
        known = self._by_code.get(code)
        return known.names if known else (code,)

    def called(self, name: str) -> tuple[str, ...]:
        """The codes of the specialties for which a name is found: all of its words are words of theirs, or begin them.

        Those that bear the very name come first.
        """
        asked = words(name)
        fitting = [
            (name not in known.names, known.display, code)
            for code, known in self._by_code.items()
            if all(any(word.startswith(one) for word in self.words_of([code])) for one in asked)
        ]
        return tuple(code for _, _, code in sorted(fitting))

    def unknown(self, codes: Sequence[str]) -> list[int]:
        """The places in ``codes`` that hold no code of the table."""
        return [place for place, code in enumerate(codes) if code not in self._by_code]

    def codes(self) -> list[str]:
        """All codes, sorted."""
        return sorted(self._by_code)

    def words_of(self, codes: Sequence[str]) -> tuple[str, ...]:
        """The folded words by which a practice with some specialties is known; sorted."""
        found = [self._words.get(code, frozenset()) for code in codes]
        found += [self._maybe[code] for code in codes if code in self._maybe and self._may_be(code, codes)]
        return tuple(sorted(frozenset().union(*found)))

    def _may_be(self, code: str, codes: Sequence[str]) -> bool:
        return self._by_code[code].not_with.isdisjoint(codes)

    def certain_words(self, code: str) -> frozenset[str]:
        """Those of a specialty's folded words that hold for each of its practices."""
        return self._words[code]

    def uncertain_words(self, code: str) -> frozenset[str]:
        """Those that hold for some of them alone."""
        return self._maybe.get(code, frozenset())

    def knows(self, word: str) -> bool:
        """Whether a folded word is one of a specialty's name or synonyms."""
        return word in self._all_words


def _words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(words(" ".join(names)))


def _texts(entry: Mapping[str, object], name: str) -> tuple[str, ...]:
    texts = entry.get(name, [])
    assert isinstance(texts, list)
    return tuple(map(str, texts))
