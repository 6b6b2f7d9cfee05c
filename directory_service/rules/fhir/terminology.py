"""The addresses and codes of gematik's directory, and what a Telematik-ID says about who it belongs to.

Sources: gematik api-vzd, package 1.2.0 (code systems, profiles, TelematikID.mapping); gemSpec_OID (professions); KBV,
Schnittstelle LEO-TSP im KV-System (which cards associations of contract doctors give).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from directory_service.rules.folding import words

GEMATIK = "https://gematik.de/fhir/directory"
TELEMATIK_ID = "https://gematik.de/fhir/sid/telematik-id"
ORIGIN = f"{GEMATIK}/CodeSystem/Origin"
ORIGIN_OWNER = "owner"
ORIGIN_LDAP = "ldap"
RESOURCE_TAG = f"{GEMATIK}/CodeSystem/ResourceTag"
FDV_RELEVANT = "fdv-relevant"
FDV_RELEVANT_DISPLAY = "Relevant for ePA FdV"
CONNECTION_TYPE = f"{GEMATIK}/CodeSystem/EndpointDirectoryConnectionType"
PAYLOAD_TYPE = f"{GEMATIK}/CodeSystem/EndpointDirectoryPayloadType"
CHAT = "tim-chat"
PHYSICAL_FEATURES = f"{GEMATIK}/CodeSystem/physicalFeatures"
FEATURE_NOTE = f"{GEMATIK}/StructureDefinition/PhysicalFeaturesAdditionalNoteEX"
OPENING_QUALIFIER = f"{GEMATIK}/CodeSystem/OpeningTimeQualifierCS"
SPECIAL_HOURS = f"{GEMATIK}/StructureDefinition/SpecialOpeningTimesEX"
ENDPOINT_VISIBILITY = f"{GEMATIK}/StructureDefinition/EndpointVisibility"
ENDPOINT_VISIBILITY_CODES = f"{GEMATIK}/CodeSystem/EndpointVisibilityCS"
ORGANIZATION_VISIBILITY = f"{GEMATIK}/StructureDefinition/OrganizationVisibility"
ORGANIZATION_VISIBILITY_CODES = f"{GEMATIK}/CodeSystem/OrganizationVisibilityCS"
HIDDEN_FROM_INSURED = "hide-versicherte"
OWNER = f"{GEMATIK}/StructureDefinition/OwnerTelematikIdEx"
LANGUAGES = "urn:ietf:bcp:47"
ENDPOINT_STATUS = "http://hl7.org/fhir/endpoint-status"
DISTANCE = "http://hl7.org/fhir/StructureDefinition/location-distance"
UNITS = "http://unitsofmeasure.org"

# Ours: what gematik's profiles have no word for.
MATCH_REASON = "urn:hek-messenger:fhir:match-reason"
"""On ``Bundle.entry.search``: why the practice stands where it stands; ``exact``, ``prefix``, ``typo`` or ``infix``."""
FEATURE_GRADE = "urn:hek-messenger:fhir:feature-grade"
"""On a characteristic: ``full`` or ``partly``."""
FEATURE_MISSING = "urn:hek-messenger:fhir:feature-missing"
"""On a resource: a physical feature that the practice said it does not have."""


@dataclass(frozen=True, slots=True)
class Profession:
    """What a Telematik-ID's owner is, as gematik's code systems have it.

    Attributes:
        person: whether a person owns it; otherwise an organisation does.
        code: the profession's OID.
        display: its name, German.
        called: what people call who has it, women and men.
    """

    person: bool
    code: str
    display: str
    called: str = ""

    @property
    def system(self) -> str:
        """The code system."""
        return f"{GEMATIK}/CodeSystem/{'Practitioner' if self.person else 'Organization'}ProfessionOID"

    @property
    def words(self) -> frozenset[str]:
        """The folded words by which it is known; not those that mean nothing by themselves (``Apotheker/-in``)."""
        return frozenset(word for word in words(f"{self.display} {self.called}") if word != "in")


PHARMACY = "1.2.276.0.76.4.54"
_PREFIX = len("3-...2")
_DOCTOR, _DENTIST, _PHARMACIST = "Arzt Ärztin", "Zahnarzt Zahnärztin", "Apotheke Apotheker Apothekerin"
_PSYCHOTHERAPIST = "Psychotherapeut Psychotherapeutin"
_PSYCHOTHERAPY = "PST"
"""A specialty of gematik's NichtAerztlicheFachrichtungen: who has it and no other is no doctor."""
_DOCTORS_PRACTICE = Profession(False, "1.2.276.0.76.4.50", "Betriebsstätte Arzt", _DOCTOR)
_PSYCHOTHERAPISTS_PRACTICE = Profession(False, "1.2.276.0.76.4.52", "Betriebsstätte Psychotherapeut", _PSYCHOTHERAPIST)
_CONTRACT_PRACTICE = "1-20"
"""The prefix of those who take part in the care by contract doctors, which psychotherapists do, too (§ 72 SGB V)."""
# The first prefix that fits counts. Practices that have private patients alone begin with 9-2.
_PREFIXES = (
    (re.compile(rf"{_CONTRACT_PRACTICE}|9-2\.50"), _DOCTORS_PRACTICE),
    (re.compile(r"9-2\.34"), _PSYCHOTHERAPISTS_PRACTICE),
    (re.compile(r"1-1"), Profession(True, "1.2.276.0.76.4.30", "Ärztin/Arzt", _DOCTOR)),
    (re.compile(r"2-0?1"), Profession(True, "1.2.276.0.76.4.31", "Zahnärztin/Zahnarzt", _DENTIST)),
    (re.compile(r"2-2|9-2\.51"), Profession(False, "1.2.276.0.76.4.51", "Zahnarztpraxis", _DENTIST)),
    (re.compile(r"3-...2"), Profession(False, PHARMACY, "Öffentliche Apotheke", _PHARMACIST)),
    (re.compile(r"3-...3"), Profession(True, "1.2.276.0.76.4.32", "Apotheker/-in", "Apothekerin")),
    (re.compile(r"4-"), Profession(True, "1.2.276.0.76.4.45", "Psychotherapeut/-in", _PSYCHOTHERAPIST)),
    (re.compile(r"5-"), Profession(False, "1.2.276.0.76.4.53", "Krankenhaus")),
)
_BY_CODE = {known.code: known for _, known in _PREFIXES}

DOCTOR = "arzt"
GENERAL_WORDS = frozenset(words(f"{_DOCTOR} {_DENTIST} {_PHARMACIST}"))
"""Words that stand for a profession and nothing else; psychotherapists may be psychologists or doctors."""
_PROFESSION_OID = re.compile(r'"?(1\.2\.276\.0\.76\.4\.[0-9]+)"?')


def profession_oid(text: str) -> str | None:
    """The profession that a search text names by its OID and by nothing else, as gematik's guide does."""
    found = _PROFESSION_OID.fullmatch(text.strip())
    return found[1] if found else None


def profession(telematik_id: str, specialties: Iterable[str]) -> Profession | None:
    """What the owner is; None if the prefix does not say, which is taken for an organisation.

    The associations of contract doctors give psychotherapists the same prefix, and gematik's mapping calls all of them
    doctors' practices. The Telematik-ID does not have the profession's OID, so what the practice says it does decides.

    Args:
        telematik_id: the owner's.
        specialties: the codes of the owner's specialties.
    """
    if telematik_id.startswith(_CONTRACT_PRACTICE) and {*specialties} == {_PSYCHOTHERAPY}:
        return _PSYCHOTHERAPISTS_PRACTICE
    return _by_prefix(telematik_id[:_PREFIX])


@lru_cache(4096)
def _by_prefix(beginning: str) -> Profession | None:
    return next((known for prefix, known in _PREFIXES if prefix.match(beginning)), None)


def profession_of_code(code: str) -> Profession:
    """The profession with an OID, as ``profession`` gave it.

    Raises:
        KeyError: if there is none.
    """
    return _BY_CODE[code]


def is_person(telematik_id: str) -> bool:
    """Whether a person owns it: then the entry is a PractitionerRole, otherwise a HealthcareService."""
    known = _by_prefix(telematik_id[:_PREFIX])
    return known is not None and known.person
