"""Every resource follows gematik's profiles; the check is derived from the profile files, and finds what is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.fhir.fragments import resource
from directory_service.rules.fhir.items import KINDS, Item, Kind, items
from directory_service.rules.fhir.resources_shared import coded
from directory_service.rules.opening_hours import SpecialReason
from directory_service.rules.profile import Feature, MessengerKind
from tests.directory_service.fhir_samples import ALL, FULL, HIDDEN, PERSON, WORDING
from tests.directory_service.profile_check import FOLDER, Profiles

GEMATIK = "https://gematik.de/fhir/directory"
PROFILES = Profiles()
EXAMPLES = sorted(path.name for path in FOLDER.glob("*.json") if path.name.partition("-")[0] in KINDS)
Resource = dict[str, Any]


def of(kind: Kind, *, hidden: bool = False) -> Resource:
    """A resource as the directory shows it."""
    practice = PERSON if kind.startswith("Practitioner") else (HIDDEN if hidden else FULL)
    return resource(items(kind, practice)[0], WORDING)


def example(name: str) -> Resource:
    """gematik's own example, held to the profile that is not the strict one, which forbids every other extension."""
    found: Resource = json.loads((FOLDER / name).read_text(encoding="utf-8"))
    found["meta"]["profile"] = [f"{GEMATIK}/StructureDefinition/{found['resourceType']}Directory"]
    return found


@pytest.mark.parametrize("item", [item for known in ALL for kind in KINDS for item in items(kind, known)], ids=str)
def test_each_resource_follows_its_profile(item: Item) -> None:
    made = resource(item, WORDING)
    assert made["meta"]["profile"] == [f"{GEMATIK}/StructureDefinition/{item.kind}Directory"]
    assert PROFILES.faults(made) == []


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_check_accepts_the_examples_of_gematik(name: str) -> None:
    assert PROFILES.faults(example(name)) == []


def with_specialty(system: str, code: str) -> Resource:
    return of("HealthcareService") | {"type": [coded(system, code)]}


def test_every_code_that_the_directory_knows_is_one_of_gematiks() -> None:
    for code, system in read_specialties().systems().items():
        assert PROFILES.faults(with_specialty(system, code)) == [], code
    for feature in Feature:
        changed = of("HealthcareService")
        changed["characteristic"][0]["coding"][0]["code"] = feature.value
        assert PROFILES.faults(changed) == [], feature
    for kind in MessengerKind:
        changed = of("Endpoint")
        changed["connectionType"]["code"] = kind.value
        assert PROFILES.faults(changed) == [], kind
    for reason in SpecialReason:
        changed = of("HealthcareService")
        special_qualifier(changed)["valueCoding"]["code"] = reason.value
        assert PROFILES.faults(changed) == [], reason


def special_qualifier(service: Resource) -> Resource:
    """Why a special day is special."""
    found: Resource = service["availableTime"][-1]["extension"][0]["extension"][1]
    return found


def set_at(*path: str | int, value: Any = None) -> Callable[[Resource], None]:
    """A change of a resource: a value somewhere, or nothing there any more."""

    def change(changed: Any) -> None:
        for step in path[:-1]:
            changed = changed[step]
        if value is None:
            del changed[path[-1]]
        else:
            changed[path[-1]] = value

    return change


BAD: list[tuple[Kind, Callable[[Resource], None], str]] = [
    ("HealthcareService", set_at("meta", "tag"), "HealthcareService.meta.tag: 0"),
    ("HealthcareService", set_at("meta", "tag", 0, "system", value="urn:x"), "HealthcareService.meta.tag:Origin: 0"),
    ("HealthcareService", set_at("meta", "tag", 0, "code", value="x"), "HealthcareService.meta.tag:Origin: not of"),
    ("HealthcareService", set_at("meta", "profile", value=["urn:x"]), "unknown profile"),
    ("HealthcareService", set_at("meta", "profile"), "no profile"),
    ("HealthcareService", set_at("providedBy"), "HealthcareService.providedBy: 0"),
    ("HealthcareService", set_at("location", value=[{}, {}]), "HealthcareService.location: 2"),
    ("HealthcareService", set_at("type", 0, "coding", 0, "code", value="XXXX"), "HealthcareService.type: not of"),
    ("HealthcareService", set_at("type", 0, "coding", 0, "system"), "HealthcareService.type.coding: CodingSytem"),
    ("HealthcareService", set_at("extension", 0, "valueIdentifier"), "Extension.value[x]: 0"),
    ("HealthcareService", set_at("extension", 0, "extension", value=[{}]), "Extension.extension: 1"),
    ("HealthcareService", set_at("availableTime", 0, "allDay", value=True), "availableTime.allDay: 1"),
    ("HealthcareService", set_at("availableTime", 0, "daysOfWeek", value=["mon", "tue"]), "daysOfWeek: 2"),
    ("HealthcareService", set_at("availableTime", 0, "daysOfWeek"), "VZD-Service-Opening-TimeInv-2"),
    ("HealthcareService", set_at("availableTime", -1, "daysOfWeek", value=["sun"]), "VZD-Service-Opening-TimeInv-1"),
    ("HealthcareService", lambda made: special_qualifier(made)["valueCoding"].update(code="x"), "value[x]: not of"),
    ("HealthcareService", lambda made: special_qualifier(made).update(url="x"), "Extension.extension:qualifier: 0"),
    ("HealthcareService", set_at("characteristic", 0, "extension", 0, "valueString"), "Extension.value[x]: 0"),
    ("PractitionerRole", set_at("practitioner"), "PractitionerRole.practitioner: 0"),
    ("Practitioner", set_at("identifier"), "Practitioner.identifier: 0"),
    ("Practitioner", set_at("name", value=[{}, {}]), "Practitioner.name: 2"),
    ("Organization", set_at("identifier", 0, "system", value="x"), "Organization.identifier:TelematikID: 0"),
    ("Organization", set_at("extension", 0, "valueCoding", "code", value="x"), "Extension.value[x]: not of"),
    ("Location", set_at("address"), "Location.address: 0"),
    ("Location", set_at("address", "state", value="Bavaria"), "Location.address.state: not of"),
    ("Endpoint", set_at("name"), "Endpoint.name: 0"),
    ("Endpoint", set_at("connectionType", "code", value="x"), "Endpoint.connectionType: not of"),
    ("Endpoint", set_at("payloadType", 0, "coding", 0, "code", value="x"), "Endpoint.payloadType: not of"),
    ("Endpoint", set_at("extension", 0, "valueCoding", "code", value="x"), "Extension.value[x]: not of"),
]


@pytest.mark.parametrize(("kind", "change", "fault"), BAD, ids=range(len(BAD)))
def test_the_check_finds_what_is_wrong(kind: Kind, change: Callable[[Resource], None], fault: str) -> None:
    made: Resource = json.loads(json.dumps(of(kind, hidden=kind in {"Organization", "Endpoint"})))
    assert PROFILES.faults(made) == []
    change(made)
    assert any(fault in found for found in PROFILES.faults(made)), PROFILES.faults(made)


def test_each_file_of_gematik_that_is_kept_here_is_needed() -> None:
    profiles = Profiles()
    for name in EXAMPLES:
        profiles.faults(example(name))
    for known in ALL:
        for kind in KINDS:
            for item in items(kind, known):
                profiles.faults(resource(item, WORDING))
    for code, system in read_specialties().systems().items():
        profiles.faults(with_specialty(system, code))
    assert {path.name for path in FOLDER.glob("*.json")} == profiles.read | set(EXAMPLES)
