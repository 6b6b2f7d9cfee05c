"""The addresses and codes of gematik's directory, and what a Telematik-ID says about who it belongs to.

Sources: gematik api-vzd, package 1.2.0 (code systems, profiles, TelematikID.mapping); gemSpec_OID (professions).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from directory_service.rules.folding import words

_SHORTEST_WORD = 2
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
    """

    person: bool
    code: str
    display: str

    @property
    def system(self) -> str:
        """The code system."""
        return f"{GEMATIK}/CodeSystem/{'Practitioner' if self.person else 'Organization'}ProfessionOID"

    @property
    def words(self) -> frozenset[str]:
        """The folded words of its name; not those that mean nothing by themselves (``Psychotherapeut/-in``)."""
        return frozenset(word for word in words(self.display) if len(word) > _SHORTEST_WORD)


PHARMACY = "1.2.276.0.76.4.54"
_PREFIX = len("3-...2")
# The first prefix that fits counts.
_PREFIXES = (
    (re.compile(r"1-20"), Profession(False, "1.2.276.0.76.4.50", "Betriebsstätte Arzt")),
    (re.compile(r"1-1"), Profession(True, "1.2.276.0.76.4.30", "Ärztin/Arzt")),
    (re.compile(r"2-0?1"), Profession(True, "1.2.276.0.76.4.31", "Zahnärztin/Zahnarzt")),
    (re.compile(r"2-2"), Profession(False, "1.2.276.0.76.4.51", "Zahnarztpraxis")),
    (re.compile(r"3-...2"), Profession(False, PHARMACY, "Öffentliche Apotheke")),
    (re.compile(r"3-...3"), Profession(True, "1.2.276.0.76.4.32", "Apotheker/-in")),
    (re.compile(r"4-"), Profession(True, "1.2.276.0.76.4.45", "Psychotherapeut/-in")),
    (re.compile(r"5-"), Profession(False, "1.2.276.0.76.4.53", "Krankenhaus")),
)


PROFESSION_WORDS = frozenset[str]().union(*(known.words for _, known in _PREFIXES))
"""What doctors, pharmacists and so on are called in general."""
_PROFESSION_OID = re.compile(r'"?(1\.2\.276\.0\.76\.4\.[0-9]+)"?')


def profession_oid(text: str) -> str | None:
    """The profession that a search text names by its OID and by nothing else, as gematik's guide does."""
    found = _PROFESSION_OID.fullmatch(text.strip())
    return found[1] if found else None


def profession(telematik_id: str) -> Profession | None:
    """What the owner is; None if the prefix does not say, which is taken for an organisation."""
    return _profession(telematik_id[:_PREFIX])


@lru_cache(4096)
def _profession(beginning: str) -> Profession | None:
    return next((known for prefix, known in _PREFIXES if prefix.match(beginning)), None)


def is_person(telematik_id: str) -> bool:
    """Whether a person owns it: then the entry is a PractitionerRole, otherwise a HealthcareService."""
    known = profession(telematik_id)
    return known is not None and known.person
