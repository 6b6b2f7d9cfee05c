"""A practice as the index takes it in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache, partial

from directory_service.rules.absence import Absence
from directory_service.rules.fhir.terminology import Profession, is_person, profession
from directory_service.rules.folding import words
from directory_service.rules.opening_hours import UNKNOWN_HOURS, OpeningHours, OpenState, open_state
from directory_service.rules.places import PostcodeCentroids
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Position
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.fields import SEARCH_FIELDS, SearchField


@dataclass(frozen=True, slots=True)
class IndexedPractice:
    """What the index knows of a practice; all texts are folded.

    Attributes:
        resource_id: its logical id.
        name: the words of its name with a space between them; names order what is equal otherwise.
        city: the words of its city, likewise; empty without an address.
        postcode: empty without an address.
        specialties: its codes.
        specialty_words: the words by which these specialties, and its profession, are known.
        codes: of each search field, in the order of the fields; none at all may be left out.
        position: where it is, if that is known.
        opening_hours: unknown until said.
        absence: the next or present one.
        hidden: whether insured people do not find it.
        person: whether it is a person's entry, not an organisation's.
    """

    resource_id: str
    name: str
    city: str = ""
    postcode: str = ""
    specialties: tuple[str, ...] = ()
    specialty_words: tuple[str, ...] = ()
    codes: tuple[tuple[str, ...], ...] = ()
    position: Position | None = None
    opening_hours: OpeningHours = UNKNOWN_HOURS
    absence: Absence | None = None
    hidden: bool = False
    person: bool = False

    def open_state(self, at: datetime) -> OpenState:
        """Whether the practice is open at a moment, which has a zone; during an absence it is closed."""
        if self.absence is not None and self.absence.holds(at):
            return OpenState.CLOSED
        return open_state(self.opening_hours, at)


class Indexer:
    """Makes entries of practices."""

    def __init__(
        self, specialties: SpecialtyTable, postcodes: PostcodeCentroids, fields: Sequence[SearchField] = SEARCH_FIELDS
    ) -> None:
        self._postcodes = postcodes
        self._fields = fields
        # Few different answers, many practices: equal texts and tuples are kept once.
        self._folded = lru_cache(50_000)(lambda text: " ".join(words(text)))
        self._known_by = lru_cache(10_000)(partial(_known_by, specialties))
        self._once = lru_cache(50_000)(lambda value: value)

    def entry(self, practice: Practice) -> IndexedPractice:
        """What the index has to know of a practice."""
        profile, address = practice.profile, practice.profile.address
        return IndexedPractice(
            resource_id=practice.resource_id,
            name=" ".join(words(profile.name)),
            city=self._folded(address.city) if address else "",
            postcode=self._once(address.postcode) if address else "",
            specialties=self._once(profile.specialties),
            specialty_words=self._known_by(profile.specialties, profession(practice.telematik_id, profile.specialties)),
            codes=self._once(tuple([field.codes(practice) for field in self._fields])),
            position=self._postcodes.locate(address),
            opening_hours=profile.opening_hours,
            absence=profile.absence,
            hidden=not profile.insured_addresses,
            person=is_person(practice.telematik_id),
        )


def _known_by(table: SpecialtyTable, codes: Sequence[str], owner: Profession | None) -> tuple[str, ...]:
    """What a practice is called: gematik's ``_text`` has the profession too, so that ``Arzt/Ärztin`` finds doctors."""
    called = owner.words if owner else frozenset()
    return tuple(sorted(called.union(table.words_of(codes))))
