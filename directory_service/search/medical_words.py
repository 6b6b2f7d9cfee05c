"""The words of a search that stand for specialties, also as people name a practice by them: ``Hausarztpraxis``.

Such a name may be typed as two words, ``HNO Praxis``. Then ``Praxis`` finds what the first word stands for, too.

A word that is known here is taken as it is: ``Hautarztpraxis`` is no misspelt ``Hausarztpraxis``.
"""

from __future__ import annotations

from collections.abc import Iterator

from directory_service.rules.fhir.terminology import DOCTOR
from directory_service.rules.folding import words
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.index.fit import ONE_ERROR, PREFIX, Instead
from directory_service.search.index.typing_errors import NearWords

_ENDINGS = ("praxis", "zentrum")
_LONG = 8
"""From so many letters on a misspelt name is known again; shorter ones are like too many words (``Hauptpraxis``)."""
_SHORTEST = _LONG + min(map(len, _ENDINGS)) - 1
_NOTHING = Instead()


class MedicalWords:
    """Tells words of medicine, and what is looked for instead of one that is put together."""

    def __init__(self, specialties: SpecialtyTable) -> None:
        self._specialties = specialties
        self._names = dict(_compounds(specialties))
        self._near = NearWords()
        self._near.add(compound for compound, name in self._names.items() if len(name) >= _LONG)

    def knows(self, word: str) -> bool:
        """Whether a folded word is one of medicine; such a word is never a typing error."""
        return word in self._names or self._specialties.knows(word)

    def joined(self, before: str, word: str) -> str | None:
        """The name that two folded words are together: ``hno`` and ``praxis`` are ``hnopraxis``."""
        name = before + word
        return name if word in _ENDINGS and name in self._names else None

    def instead(self, word: str, before: str = "") -> Instead:
        """What else a folded word finds: ``hausarztpraxis`` what ``hausarzt`` does, but after the very word.

        Args:
            word: what is looked for.
            before: the word that stands before it in the search.
        """
        name = self._names.get(self.joined(before, word) or word)
        if name is not None:
            return Instead((name,), PREFIX)
        if len(word) < _SHORTEST or not word.isalpha() or self._specialties.knows(word):
            return _NOTHING
        like, _ = self._near.near(word)
        return Instead(tuple(sorted({self._names[compound] for compound in like})), ONE_ERROR)


def _compounds(specialties: SpecialtyTable) -> Iterator[tuple[str, str]]:
    """What practices are called, with the name that stands in it; of two with the same name the later one counts."""
    names = {words(name) for code in specialties.codes() for name in specialties.names(code)}
    single = sorted({DOCTOR, *(folded for folded, *more in names if not more)})
    for ending in _ENDINGS:
        for name in single:
            yield name + ending, name
        for name in single:
            if name.endswith(DOCTOR) and name != DOCTOR:  # a Zahnpraxis is a Zahnarztpraxis
                yield name.removesuffix(DOCTOR) + ending, name
