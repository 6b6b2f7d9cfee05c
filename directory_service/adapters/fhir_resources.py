"""Practices as FHIR R4 resources in the shape of gematik's directory (profiles *Directory, package 1.2.0)."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import quote, urlencode

from directory_service.rules.fhir_search import AFTER, PARAMETERS, FhirSearch
from directory_service.rules.practice import Practice
from directory_service.rules.specialties import CODE_SYSTEM, SpecialtyTable
from directory_service.store.search import Found

Resource = dict[str, Any]

BASE_PATH = "/fdv/search"
SEARCH_PATH = f"{BASE_PATH}/HealthcareService"
_GEMATIK = "https://gematik.de/fhir/directory"
_TELEMATIK_ID = "https://gematik.de/fhir/sid/telematik-id"
_PARAMETER_TYPES = {"_text": "string", "location.address-city": "string", "location.address-postalcode": "string"}


def _meta(profile: str) -> Resource:
    return {
        "tag": [{"system": f"{_GEMATIK}/CodeSystem/Origin", "code": "owner"}],
        "profile": [f"{_GEMATIK}/StructureDefinition/{profile}"],
    }


def _identifier(practice: Practice) -> list[Resource]:
    return [{"system": _TELEMATIK_ID, "value": practice.telematik_id}]


def matrix_uri(user_id: str) -> str:
    """``@name:server`` as ``matrix:u/name:server`` (Matrix specification, appendices)."""
    return f"matrix:u/{quote(user_id.removeprefix('@'), safe=':')}"


def healthcare_service(practice: Practice, specialties: SpecialtyTable) -> Resource:
    """The entry point: what the practice does. Its specialties are of gematik's value set for ``type``."""
    resource: Resource = {
        "resourceType": "HealthcareService",
        "id": practice.resource_id,
        "meta": _meta("HealthcareServiceDirectory"),
        "identifier": _identifier(practice),
        "providedBy": {"reference": f"Organization/{practice.resource_id}"},
        "type": [
            {"coding": [{"system": CODE_SYSTEM, "code": code, "display": specialties.display(code)}]}
            for code in practice.profile.specialties
        ],
        "name": practice.profile.name,
        "endpoint": [{"reference": f"Endpoint/{practice.resource_id}"}],
    }
    if practice.profile.address:
        resource["location"] = [{"reference": f"Location/{practice.resource_id}"}]
    return resource


def organization(practice: Practice) -> Resource:
    """Who provides it."""
    return {
        "resourceType": "Organization",
        "id": practice.resource_id,
        "meta": _meta("OrganizationDirectory"),
        "identifier": _identifier(practice),
        "active": True,
        "name": practice.profile.name,
    }


def location(practice: Practice) -> Resource | None:
    """Where it is; None without a profile."""
    address = practice.profile.address
    if address is None:
        return None
    return {
        "resourceType": "Location",
        "id": practice.resource_id,
        "meta": _meta("LocationDirectory"),
        "name": practice.profile.name,
        "address": {
            "text": f"{address.line}, {address.postcode} {address.city}",
            "line": [address.line],
            "city": address.city,
            "postalCode": address.postcode,
            "country": "DE",
        },
        "managingOrganization": {"reference": f"Organization/{practice.resource_id}"},
    }


def endpoint(practice: Practice) -> Resource:
    """How it is reached in the messenger."""
    return {
        "resourceType": "Endpoint",
        "id": practice.resource_id,
        "meta": _meta("EndpointDirectory"),
        "status": "active",
        "connectionType": {"system": f"{_GEMATIK}/CodeSystem/EndpointDirectoryConnectionType", "code": "tim"},
        "name": practice.profile.name,
        "payloadType": [
            {"coding": [{"system": f"{_GEMATIK}/CodeSystem/EndpointDirectoryPayloadType", "code": "tim-chat"}]}
        ],
        "address": matrix_uri(practice.profile.active_addresses[0]),
    }


def _included(practice: Practice, includes: frozenset[str]) -> Iterable[Resource]:
    if "organization" in includes:
        yield organization(practice)
    if "location" in includes and (place := location(practice)):
        yield place
    if "endpoint" in includes:
        yield endpoint(practice)


def searchset(
    found: Found, asked: FhirSearch, *, directory: str, specialties: SpecialtyTable, now: datetime
) -> Resource:
    """The bundle that answers a search; the last page has no ``next`` link.

    Args:
        found: one page of practices.
        asked: the search as understood.
        directory: the directory's public address.
        specialties: for the names of codes.
        now: the present moment.
    """

    def entry(resource: Resource, mode: str) -> Resource:
        address = f"{directory}{BASE_PATH}/{resource['resourceType']}/{resource['id']}"
        return {"fullUrl": address, "resource": resource, "search": {"mode": mode}}

    def link(relation: str, position: list[tuple[str, str]]) -> Resource:
        query = urlencode([*asked.shown, *position])
        return {"relation": relation, "url": f"{directory}{SEARCH_PATH}{'?' if query else ''}{query}"}

    links = [link("self", [(AFTER, asked.after.token())] if asked.after else [])]
    if found.next_page:
        links.append(link("next", [(AFTER, found.next_page.token())]))
    matches = [entry(healthcare_service(practice, specialties), "match") for practice in found.practices]
    included = [
        entry(resource, "include") for practice in found.practices for resource in _included(practice, asked.includes)
    ]
    bundle: Resource = {
        "resourceType": "Bundle",
        "id": str(uuid.uuid4()),
        "meta": {"lastUpdated": now.isoformat(timespec="milliseconds")},
        "type": "searchset",
        "total": found.total,
        "link": links,
    }
    # FHIR knows no empty lists: a bundle without entries leaves them out.
    return bundle | ({"entry": matches + included} if matches else {})


def operation_outcome(code: str, text: str) -> Resource:
    """An error; ``code`` is an issue type of FHIR, ``text`` says what happened and what to do."""
    issue = {"severity": "error", "code": code, "details": {"text": text}, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def capability_statement(directory: str, since: datetime) -> Resource:
    """What the directory can do (``/metadata``)."""
    parameters = [
        {"name": name, "type": _PARAMETER_TYPES.get(name, "token")}
        for name in PARAMETERS
        if name not in {"_include", "_count"}
    ]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": since.isoformat(timespec="seconds"),
        "kind": "instance",
        "implementation": {"description": "HEK Messenger: directory of practices", "url": f"{directory}{BASE_PATH}"},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": "specialty searches the codes in HealthcareService.type, where gematik has them.",
                "resource": [
                    {
                        "type": "HealthcareService",
                        "profile": f"{_GEMATIK}/StructureDefinition/HealthcareServiceDirectory",
                        "interaction": [{"code": "search-type"}],
                        "searchInclude": [
                            "*",
                            "HealthcareService:organization",
                            "HealthcareService:location",
                            "HealthcareService:endpoint",
                        ],
                        "searchParam": parameters,
                    }
                ],
            }
        ],
    }
