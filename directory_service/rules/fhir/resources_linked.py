"""What an entry point leads to: who it is (Organization, Practitioner), where (Location), how it is written to."""

from __future__ import annotations

from directory_service.rules.fhir.items import endpoint_id, matrix_uri
from directory_service.rules.fhir.resources_shared import (
    Resource,
    coded,
    languages,
    meta,
    owner,
    telematik_identifier,
    without_empty,
)
from directory_service.rules.fhir.terminology import (
    CHAT,
    CONNECTION_TYPE,
    ENDPOINT_VISIBILITY,
    ENDPOINT_VISIBILITY_CODES,
    FDV_RELEVANT,
    FDV_RELEVANT_DISPLAY,
    HIDDEN_FROM_INSURED,
    ORGANIZATION_VISIBILITY,
    ORGANIZATION_VISIBILITY_CODES,
    PAYLOAD_TYPE,
    RESOURCE_TAG,
    is_person,
    profession,
)
from directory_service.rules.practice import Practice, is_open_to_insured
from directory_service.rules.profile import Address, Messenger


def _profession(practice: Practice) -> list[Resource]:
    known = profession(practice.telematik_id, practice.profile.specialties)
    return [coded(known.system, known.code, known.display)] if known else []


def _hiding(extension: str, codes: str, *, hidden: bool) -> list[Resource]:
    if not hidden:
        return []
    return [{"url": extension, "valueCoding": {"system": codes, "code": HIDDEN_FROM_INSURED}}]


def _address(address: Address) -> Resource:
    return {
        "text": f"{address.line}, {address.postcode} {address.city}",
        "line": [address.line],
        "city": address.city,
        "postalCode": address.postcode,
        "country": "DE",
    }


def organization(practice: Practice) -> Resource:
    """Who provides the service; gematik tags those that insured people find (profile OrganizationDirectory)."""
    profile, about = practice.profile, meta(practice, "OrganizationDirectory")
    if is_open_to_insured(practice):
        about["tag"].append({"system": RESOURCE_TAG, "code": FDV_RELEVANT, "display": FDV_RELEVANT_DISPLAY})
    return without_empty(
        {
            "resourceType": "Organization",
            "id": practice.resource_id,
            "meta": about,
            "extension": _hiding(
                ORGANIZATION_VISIBILITY, ORGANIZATION_VISIBILITY_CODES, hidden=profile.hide_from_insured
            ),
            "identifier": [telematik_identifier(practice)],
            "active": True,
            "type": _profession(practice),
            "name": profile.name,
            "address": [_address(profile.address)] if profile.address else [],
        }
    )


def practitioner(practice: Practice) -> Resource:
    """Who the person is."""
    return without_empty(
        {
            "resourceType": "Practitioner",
            "id": practice.resource_id,
            "meta": meta(practice, "PractitionerDirectory"),
            "identifier": [telematik_identifier(practice)],
            "active": True,
            "name": [{"text": practice.profile.name}],
            "qualification": [{"code": concept} for concept in _profession(practice)],
            "communication": languages(practice.profile),
        }
    )


def location(practice: Practice) -> Resource:
    """Where it is; the practice has an address."""
    address = practice.profile.address
    assert address is not None
    resource: Resource = {
        "resourceType": "Location",
        "id": practice.resource_id,
        "meta": meta(practice, "LocationDirectory"),
        "name": practice.profile.name,
        "address": _address(address),
    }
    if address.position is not None:
        resource["position"] = {
            "longitude": address.position.longitude,
            "latitude": address.position.latitude,
        }
    if not is_person(practice.telematik_id):
        resource["managingOrganization"] = {"reference": f"Organization/{practice.resource_id}"}
    return resource


def endpoint(practice: Practice, messenger: Messenger) -> Resource:
    """How it is written to. An address that does not answer is shown too, as suspended: clients must look."""
    hidden = messenger.hide_from_insured or practice.profile.hide_from_insured
    return {
        "resourceType": "Endpoint",
        "id": endpoint_id(practice, messenger),
        "meta": meta(practice, "EndpointDirectory"),
        "extension": [
            *_hiding(ENDPOINT_VISIBILITY, ENDPOINT_VISIBILITY_CODES, hidden=hidden),
            owner(practice),
        ],
        "status": endpoint_status(messenger),
        "connectionType": {"system": CONNECTION_TYPE, "code": messenger.kind.value},
        "name": practice.profile.name,
        "payloadType": [coded(PAYLOAD_TYPE, CHAT)],
        "address": matrix_uri(messenger.user_id),
    }


def endpoint_status(messenger: Messenger) -> str:
    """``active``, or ``suspended`` while it does not answer."""
    return "active" if messenger.active else "suspended"
