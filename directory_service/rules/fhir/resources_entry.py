"""The entry points of a search: HealthcareService for an organisation, PractitionerRole for a person."""

from __future__ import annotations

from directory_service.rules.fhir.items import endpoint_id
from directory_service.rules.fhir.resources_shared import (
    Resource,
    Wording,
    coded,
    languages,
    meta,
    not_available,
    owner,
    special_times,
    specialties,
    telematik_identifier,
    weekly_times,
    without_empty,
)
from directory_service.rules.fhir.terminology import (
    FEATURE_GRADE,
    FEATURE_MISSING,
    FEATURE_NOTE,
    PHYSICAL_FEATURES,
)
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Accessibility, Grade


def _location(practice: Practice) -> list[Resource]:
    return [{"reference": f"Location/{practice.resource_id}"}] if practice.profile.address else []


def _endpoints(practice: Practice) -> list[Resource]:
    return [
        {"reference": f"Endpoint/{endpoint_id(practice, messenger)}"}
        for messenger in practice.profile.messengers
        if messenger.linked
    ]


def _characteristic(accessibility: Accessibility) -> Resource:
    note = [{"url": FEATURE_NOTE, "valueString": accessibility.note}] if accessibility.note else []
    grade = {"url": FEATURE_GRADE, "valueCode": accessibility.grade.value}
    return {"extension": [*note, grade], **coded(PHYSICAL_FEATURES, accessibility.feature.value)}


def healthcare_service(practice: Practice, wording: Wording) -> Resource:
    """What the practice does. Its specialties are of gematik's value set for ``type``."""
    profile = practice.profile
    missing = [
        {"url": FEATURE_MISSING, "valueCode": accessibility.feature.value}
        for accessibility in profile.accessibility
        if accessibility.grade is Grade.NONE
    ]
    return without_empty(
        {
            "resourceType": "HealthcareService",
            "id": practice.resource_id,
            "meta": meta(practice, "HealthcareServiceDirectory"),
            "extension": [owner(practice), *missing],
            "identifier": [telematik_identifier(practice)],
            "providedBy": {"reference": f"Organization/{practice.resource_id}"},
            "type": specialties(profile, wording),
            "location": _location(practice),
            "name": profile.name,
            "characteristic": [
                _characteristic(accessibility)
                for accessibility in profile.accessibility
                if accessibility.grade is not Grade.NONE
            ],
            "communication": languages(profile),
            "availableTime": weekly_times(profile) + special_times(profile),
            "notAvailable": not_available(profile, wording),
            "endpoint": _endpoints(practice),
        }
    )


def practitioner_role(practice: Practice, wording: Wording) -> Resource:
    """What the person does; FHIR has no special hours for a role, so the week's alone stand here."""
    profile = practice.profile
    return without_empty(
        {
            "resourceType": "PractitionerRole",
            "id": practice.resource_id,
            "meta": meta(practice, "PractitionerRoleDirectory"),
            "extension": [owner(practice)],
            "practitioner": {"reference": f"Practitioner/{practice.resource_id}"},
            "specialty": specialties(profile, wording),
            "location": _location(practice),
            "availableTime": weekly_times(profile),
            "notAvailable": not_available(profile, wording),
            "endpoint": _endpoints(practice),
        }
    )
