"""What the words of a search are taken to mean: specialties that patients call by another name.

A search for ``Hausarzt`` finds general practitioners; whoever searches is told so, since nothing is widened in silence.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from directory_service.rules.fhir.terminology import DOCTOR, GENERAL_WORDS
from directory_service.rules.folding import words
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.index.fit import INFIX, NO_MATCH, PREFIX, errors_allowed, level_of
from directory_service.search.index.postings import together
from directory_service.search.index.vocabulary import Lexicon, Vocabulary
from directory_service.search.medical_words import MedicalWords

_TOKEN = re.compile(r"\w+")
_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Meaning:
    """A word of a search that stands for specialties.

    Attributes:
        word: as it was typed; two words that are one name (``HNO-Praxis``) as they stand there.
        codes: the specialties, best fitting first.
        uncertain: those of them of which only some practices are meant, and nothing tells which.
    """

    word: str
    codes: tuple[str, ...]
    uncertain: tuple[str, ...] = ()


class _Known(NamedTuple):
    """What a folded word means: as in ``Meaning``, and whether a specialty is found by another name than its own."""

    codes: tuple[str, ...]
    uncertain: tuple[str, ...]
    renamed: bool


class Meanings:
    """Tells which specialties the index finds by a word, by the rules of ``search.index.fit``."""

    def __init__(self, specialties: SpecialtyTable) -> None:
        self._specialties = specialties
        self._medical = MedicalWords(specialties)
        self._known: dict[str, _Known] = {}
        self._codes = tuple(specialties.codes())
        self._lexicon = Lexicon()
        self._words = Vocabulary(self._lexicon)
        for number, code in enumerate(self._codes):
            self._words.change(number, set(), set(specialties.words_of([code])))

    def of(self, texts: Iterable[str]) -> tuple[Meaning, ...]:
        """The words of some texts that stand for specialties by another name than the specialties' own.

        Args:
            texts: as they were typed.
        """
        found: dict[str, Meaning] = {}
        for text in texts:
            before, begins = "", 0
            for token in _TOKEN.finditer(text):
                for word in words(token[0]):
                    known = self._of_word(word)
                    if known.renamed:
                        found[word] = Meaning(token[0], known.codes, known.uncertain)
                    joined = self._medical.joined(before, word)
                    if joined is not None and (known := self._of_word(joined)).renamed:
                        if before in found and found[before].codes == known.codes:
                            del found[before]  # once is enough
                        found[joined] = Meaning(text[begins : token.end()], known.codes, known.uncertain)
                    before, begins = word, token.start()
        return tuple(found.values())

    def are_renamed(self, asked: Sequence[str]) -> bool:
        """Whether folded words find specialties that do not have them in their names: then there is what to tell."""
        if any(self._of_word(word).renamed for word in asked):
            return True
        joined = (self._medical.joined(before, word) for before, word in pairwise(asked))
        return any(name is not None and self._of_word(name).renamed for name in joined)

    def codes_of(self, word: str) -> tuple[str, ...]:
        """The specialties that are found by a folded word, best fitting first."""
        return self._of_word(word).codes

    def _of_word(self, word: str) -> _Known:
        known = self._known.get(word)
        if known is None:
            if len(self._known) >= _KEPT:
                self._known.clear()
            codes = self._fitting(word)
            instead, _ = self._medical.instead(word)
            uncertain = tuple(
                code for code in codes if any(self._is_uncertain(one, code) for one in instead or (word,))
            )
            known = self._known[word] = _Known(codes, uncertain, self._is_renamed(word, codes))
        return known

    def _fitting(self, word: str) -> tuple[str, ...]:
        found = self._words.fitting(self._lexicon.asked(word, self._errors(word)))
        instead, best = self._medical.instead(word)
        for other in instead:
            for level, sets in self._words.fitting(self._lexicon.asked(other, 0)).items():
                found.setdefault(max(level, best), []).extend(sets)
        levels: dict[str, int] = {}
        for level, sets in sorted(found.items()):
            for number in together(sets):
                levels.setdefault(self._codes[number], level)  # the best one comes first
        return tuple(sorted(levels, key=lambda code: (levels[code], self._specialties.display(code), code)))

    def _is_renamed(self, word: str, codes: Sequence[str]) -> bool:
        """Whether there is something to tell: ``Arzt`` and ``Arztpraxis`` find every doctor, as they say."""
        instead, _ = self._medical.instead(word)
        if instead:
            return instead != (DOCTOR,)
        return word not in GENERAL_WORDS and not all(self._is_named(word, code) for code in codes)

    def _is_named(self, word: str, code: str) -> bool:
        """Whether the specialty's own name has the word, or one that begins with it: then there is nothing to tell."""
        return any(level_of(word, one, errors=0) <= PREFIX for one in words(self._specialties.display(code)))

    def _is_uncertain(self, word: str, code: str) -> bool:
        """Whether the word names what only some practices of the specialty are."""
        uncertain = self._specialties.uncertain_words(code)
        if not uncertain:
            return False
        errors = self._errors(word)
        certain = self._specialties.certain_words(code)
        named = any(level_of(word, one, errors=errors) < INFIX for one in uncertain)
        return named and all(level_of(word, one, errors=errors) == NO_MATCH for one in certain)

    def _errors(self, word: str) -> int:
        return 0 if self._medical.knows(word) else errors_allowed(word)
