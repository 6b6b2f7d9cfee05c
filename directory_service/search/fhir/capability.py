"""What the search can do (``/metadata``), made from the table that the search itself reads."""

from __future__ import annotations

from datetime import datetime

from directory_service.rules.fhir.items import KINDS, LINKS, Kind
from directory_service.rules.fhir.resources_shared import Resource
from directory_service.rules.fhir.terminology import GEMATIK
from directory_service.search.fhir.chains import REFERENCE_MODIFIERS, STRING_MODIFIERS, TOKEN_MODIFIERS
from directory_service.search.fhir.includes import possible, possible_reverse
from directory_service.search.fhir.named_queries import QUERIES
from directory_service.search.fhir.parameters import NEAR, Parameter, ParameterTable

FHIR_VERSION = "4.0.1"
MEDIA_TYPE = "application/fhir+json"
JSON_TYPES = frozenset({MEDIA_TYPE, "application/json", "application/json+fhir"})
"""What clients call it."""
_GENERAL: tuple[tuple[str, str, str], ...] = (
    (
        "_text",
        "string",
        "words of name, city, postcode, specialty and profession; typos are allowed, exact matches come first",
    ),
    ("_content", "string", "the same as _text"),
    ("_complexSearch", "token", "true: operators in _text"),
    ("_count", "number", "matches on a page, at most 100"),
    ("_summary", "token", "count or false"),
    ("_total", "token", "the total is always exact"),
)
_MODIFIERS = {"string": STRING_MODIFIERS, "token": TOKEN_MODIFIERS, "reference": REFERENCE_MODIFIERS}
_NEAR_DOCUMENTATION = "latitude|longitude[|distance[|km or m]], at most 100 km; sorted by distance"


def modifiers(parameter_type: str) -> tuple[str, ...]:
    """The modifiers that parameters of a type understand."""
    return _MODIFIERS.get(parameter_type, ())


def search_parameters(kind: Kind, table: ParameterTable) -> list[tuple[str, str, str]]:
    """Name, type and documentation of what a search of one kind understands, chains of one link included."""

    def own(parameters: dict[str, Parameter], prefix: str = "") -> list[tuple[str, str, str]]:
        return [
            (f"{prefix}{parameter.name}", parameter.type, parameter.documentation) for parameter in parameters.values()
        ]

    found = [*_GENERAL, *own(table.of(kind))]
    if kind == "Location":
        found.append((NEAR, "special", _NEAR_DOCUMENTATION))
    for reference, target in LINKS[kind].items():
        found.append((reference, "reference", f"{target} that it refers to"))
        found += own(table.of(target), f"{reference}.")
        if target == "Location":
            found.append((f"{reference}.{NEAR}", "special", _NEAR_DOCUMENTATION))
    return found


def _resource(kind: Kind, table: ParameterTable) -> Resource:
    resource: Resource = {
        "type": kind,
        "profile": f"{GEMATIK}/StructureDefinition/{kind}Directory",
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "versioning": "no-version",
        "searchInclude": list(possible(kind)),
        "searchParam": [
            {"name": name, "type": parameter_type, "documentation": documentation}
            for name, parameter_type, documentation in search_parameters(kind, table)
        ],
    }
    if reverse := possible_reverse(kind):
        resource["searchRevInclude"] = list(reverse)
    return resource


def capability_statement(base: str, since: datetime, table: ParameterTable) -> Resource:
    """What the FHIR interface at an address can do.

    Args:
        base: its address.
        since: when the software began to do so, with a zone.
        table: the search parameters.
    """
    understood = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in _MODIFIERS.items())
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "HEK Messenger directory"},
        "implementation": {"description": "HEK Messenger: directory of practices", "url": base},
        "fhirVersion": FHIR_VERSION,
        "format": [MEDIA_TYPE],
        "rest": [
            {
                "mode": "server",
                "documentation": (
                    f"Modifiers: {understood}. Named queries of HealthcareService: {', '.join(QUERIES)}. "
                    "Organisations are HealthcareServices, persons are PractitionerRoles."
                ),
                "security": {"cors": False, "description": "search token of /tim-authenticate as bearer"},
                "resource": [_resource(kind, table) for kind in KINDS],
            }
        ],
    }
