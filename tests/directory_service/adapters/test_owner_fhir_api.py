"""The owner interface in FHIR: a practice's own resources, read, searched, written, created and deleted."""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from joserfc.jwk import ECKey

from directory_service.rules.fhir.terminology import (
    CONNECTION_TYPE,
    ENDPOINT_VISIBILITY,
    ENDPOINT_VISIBILITY_CODES,
    HIDDEN_FROM_INSURED,
    ORIGIN,
)
from directory_service.search.fhir.capability import MEDIA_TYPE
from tests.directory_service.adapters.test_any_request import owner_token
from tests.directory_service.adapters.test_homeserver_api import reachable as reachable_set
from tests.directory_service.bench import FULL_PROFILE, SOMMER, WINTER, Directory
from tests.directory_service.fhir_client import Client
from tests.directory_service.profile_check import Profiles

PERSON = "1-1000000002"
HIDING = [
    {"url": ENDPOINT_VISIBILITY, "valueCoding": {"system": ENDPOINT_VISIBILITY_CODES, "code": HIDDEN_FROM_INSURED}}
]
NEW = {
    "resourceType": "Endpoint",
    "status": "active",
    "connectionType": {"system": CONNECTION_TYPE, "code": "tim"},
    "name": "Labor",
    "address": "matrix:u/labor:praxis-sommer.example",
}
PROFILES = Profiles()


PSYCHOTHERAPY = {"system": "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.5", "code": "PST", "display": "Psychotherapie"}


class Software:
    """A practice's software that speaks FHIR."""

    def __init__(self, directory: Directory, key: ECKey, telematik_id: str = SOMMER) -> None:
        self.directory = directory
        self.key = key
        self.telematik_id = telematik_id
        self.token: str | None = None

    async def call(
        self, method: str, path: str, body: object = None, if_match: str | None = None
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, body and headers; every answer with a body is FHIR."""
        if self.token is None:
            self.token = await owner_token(self.directory, self.key, self.telematik_id)
        headers = {"Authorization": f"Bearer {self.token}"} | ({"If-Match": if_match} if if_match else {})
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        url = f"{self.directory.url}/owner/{path}"
        async with self.directory.http.request(method, url, data=data, headers=headers) as answer:
            if answer.status == 204:
                return 204, {}, answer.headers
            assert answer.content_type == MEDIA_TYPE
            told = await answer.json(content_type=None)
            get_fhir_model_class(told["resourceType"]).model_validate(told)
            return answer.status, told, answer.headers

    async def own(self, kind: str) -> list[dict[str, Any]]:
        """All own resources of a kind."""
        status, bundle, _ = await self.call("GET", kind)
        assert status == 200
        return [entry["resource"] for entry in bundle.get("entry", [])]

    async def the(self, kind: str) -> dict[str, Any]:
        """The only one."""
        (found,) = await self.own(kind)
        return found

    async def put(self, resource: dict[str, Any], if_match: str = "*") -> tuple[int, dict[str, Any]]:
        """Writes a resource where it is."""
        status, told, _ = await self.call("PUT", f"{resource['resourceType']}/{resource['id']}", resource, if_match)
        return status, told


@pytest.fixture
async def software(directory: Directory) -> Software:
    """Of a practice that said everything and opted in; another one is there too."""
    await directory.practice_joins(WINTER)
    return Software(directory, await directory.practice_joins(profile=FULL_PROFILE))


def elements(outcome: dict[str, Any]) -> list[str]:
    """The elements that an outcome names."""
    assert outcome["resourceType"] == "OperationOutcome"
    return [expression for issue in outcome["issue"] for expression in issue.get("expression", [])]


async def profile_of(software: Software) -> dict[str, Any]:
    _, own = await software.directory.as_practice(software.key, "GET", "/owner/practice")
    return {name: own[name] for name in FULL_PROFILE}


async def test_both_forms_are_one_profile_and_what_is_read_can_be_written_back(software: Software) -> None:
    before = await profile_of(software)
    for kind in ("HealthcareService", "Location", "Endpoint"):
        for resource in await software.own(kind):
            status, written = await software.put(resource)
            assert (status, written) == (200, resource | {"meta": written["meta"]})
    assert await profile_of(software) == before


async def test_each_own_resource_follows_gematiks_profile_and_is_marked_as_the_owners(software: Software) -> None:
    for kind in ("HealthcareService", "Organization", "Location", "Endpoint"):
        for resource in await software.own(kind):
            assert PROFILES.faults(resource) == []
            assert resource["meta"]["tag"][0] == {"system": ORIGIN, "code": "owner"}
            _, alone, headers = await software.call("GET", f"{kind}/{resource['id']}")
            assert (alone, headers["ETag"]) == (resource, f'W/"{resource["meta"]["versionId"]}"')


async def test_a_written_service_is_the_profile_that_patients_find(software: Software) -> None:
    service = await software.the("HealthcareService")
    coding = service["type"][0]["coding"][0]
    service |= {"name": "Praxis Neu", "type": [{"coding": [{"system": coding["system"], "code": "KARD"}]}]}
    service["availableTime"] = [
        {"daysOfWeek": ["tue"], "availableStartTime": "09:00:00", "availableEndTime": "23:59:59"}
    ]
    del service["communication"], service["notAvailable"]
    assert (await software.put(service))[0] == 200
    own = await profile_of(software)
    assert (own["name"], own["specialties"], own["languages"], own["absence"]) == ("Praxis Neu", ["KARD"], [], None)
    assert own["opening_hours"]["weekly"]["tue"] == [{"opens": "09:00", "closes": "24:00"}]
    assert (own["address"], own["messengers"]) == (FULL_PROFILE["address"], FULL_PROFILE["messengers"])
    assert software.directory.homeserver.accounts[SOMMER]["display_name"] == "Praxis Neu"
    assert await software.directory.found("neu") == ["Praxis Neu – Kardiologie, Hamburg"]


async def test_an_endpoint_is_made_linked_hidden_shown_unlinked_and_deleted(software: Software) -> None:
    async def reachable() -> bool:
        return "@labor:praxis-sommer.example" in (await reachable_set(software.directory))["add"]

    status, made, headers = await software.call("POST", "Endpoint", NEW)
    path = f"Endpoint/{made['id']}"
    assert (status, headers["Location"]) == (201, f"{software.directory.url}/owner/{path}")
    assert (made["address"], await reachable()) == (NEW["address"], False)
    service = await software.the("HealthcareService")
    unlinked = service["endpoint"]
    assert {"reference": path} not in unlinked
    service["endpoint"] = [*unlinked, {"reference": path}]
    assert (await software.put(service))[0] == 200
    assert await reachable()
    status, refused, _ = await software.call("DELETE", path)
    assert (status, elements(refused)) == (409, ["HealthcareService.endpoint"])
    for extension in (HIDING, []):
        assert (await software.put(made | {"extension": extension}))[0] == 200
        assert await reachable() is not bool(extension)
        _, seen, _ = await software.call("GET", path)
        assert (HIDING[0] in seen["extension"]) is bool(extension)
    assert (await software.put(service | {"endpoint": unlinked}))[0] == 200
    assert not await reachable()
    assert (await software.call("DELETE", path))[0] == 204
    assert (await software.call("GET", path))[0] == 404


async def test_of_a_practice_that_hides_one_endpoint_can_be_shown_alone(directory: Directory) -> None:
    profile = FULL_PROFILE | {"hide_from_insured": True}
    software = Software(directory, await directory.practice_joins(profile=profile))
    first, *others = await software.own("Endpoint")
    first["extension"] = [one for one in first["extension"] if one["url"] != ENDPOINT_VISIBILITY]
    assert (await software.put(first))[0] == 200
    _, own = await directory.as_practice(software.key, "GET", "/owner/practice")
    assert [one["hide_from_insured"] for one in own["messengers"]] == [False, True, True]
    assert (own["hide_from_insured"], own["found_by_insured"], len(others)) == (False, True, 2)


async def test_the_location_can_be_made_by_writing_it(directory: Directory) -> None:
    software = Software(directory, await directory.practice_joins(profile=None, opts_in=False))
    assert await software.own("Location") == []
    practice_id = (await software.the("HealthcareService"))["id"]
    address = {"line": ["Weg 1"], "city": "Hamburg", "postalCode": "20099"}
    location = {"resourceType": "Location", "id": practice_id, "address": address}
    assert (await software.put(location))[0] == 201
    assert (await software.put(location))[0] == 200
    assert (await software.the("HealthcareService"))["location"] == [{"reference": f"Location/{practice_id}"}]


async def test_a_person_writes_its_role(directory: Directory) -> None:
    key = await directory.practice_joins(PERSON, profile=FULL_PROFILE | {"messengers": None})
    software = Software(directory, key, PERSON)
    role = await software.the("PractitionerRole")
    _, before = await directory.as_practice(software.key, "GET", "/owner/practice", telematik_id=PERSON)
    assert (await software.put(role))[0] == 200
    _, after = await directory.as_practice(software.key, "GET", "/owner/practice", telematik_id=PERSON)
    assert after == before
    assert await software.own("HealthcareService") == []
    assert (await software.the("Practitioner"))["id"] == role["id"]


async def test_who_read_an_older_version_overwrites_nothing(software: Software) -> None:
    service = await software.the("HealthcareService")
    read = f'W/"{service["meta"]["versionId"]}"'
    location = await software.the("Location")
    assert (await software.put(location, read))[0] == 200
    status, outcome = await software.put(service, read)
    assert (status, outcome["issue"][0]["code"]) == (412, "conflict")
    status, outcome, _ = await software.call("PUT", f"HealthcareService/{service['id']}", service)
    assert (status, outcome["issue"][0]["code"]) == (428, "required")


FAULTS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("HealthcareService", {"telecom": [{"system": "phone", "value": "1"}]}, ["HealthcareService.telecom"]),
    ("HealthcareService", {"name": None}, ["HealthcareService.name"]),
    ("HealthcareService", {"name": "\u202e"}, ["HealthcareService.name"]),
    ("HealthcareService", {"id": "x"}, ["HealthcareService.id"]),
    ("HealthcareService", {"active": False}, ["HealthcareService.active"]),
    ("HealthcareService", {"resourceType": "Location"}, ["HealthcareService.resourceType"]),
    (
        "HealthcareService",
        {"type": [{"coding": [{"system": "x", "code": "y"}]}]},
        ["HealthcareService.type[0].coding[0].system"],
    ),
    ("HealthcareService", {"endpoint": [{"reference": "Endpoint/x"}]}, ["HealthcareService.endpoint[0].reference"]),
    ("HealthcareService", {"location": [{"reference": "Location/x"}]}, ["HealthcareService.location[0].reference"]),
    ("HealthcareService", {"providedBy": {"reference": "x/y"}}, ["HealthcareService.providedBy.reference"]),
    ("HealthcareService", {"identifier": [{"value": WINTER}]}, ["HealthcareService.identifier[0]"]),
    ("HealthcareService", {"extension": [{"url": "x"}]}, ["HealthcareService.extension[0]"]),
    (
        "HealthcareService",
        {"availableTime": [{"daysOfWeek": ["mon"], "availableStartTime": "8", "availableEndTime": "09:00:00"}]},
        ["HealthcareService.availableTime[0].availableStartTime"],
    ),
    ("Location", {"address": {"city": "Hamburg"}}, ["Location.address.postalCode"]),
    (
        "Location",
        {"position": {"latitude": 91, "longitude": 0}},
        ["Location.position.latitude", "Location.position"],
    ),
    ("Location", {"telecom": []}, ["Location.telecom"]),
    ("Endpoint", {"address": "matrix:u/other:b.example"}, ["Endpoint.address"]),
    ("Endpoint", {"address": "https://b.example"}, ["Endpoint.address"]),
    ("Endpoint", {"connectionType": {"system": CONNECTION_TYPE, "code": "kim"}}, ["Endpoint.connectionType"]),
    ("Endpoint", {"status": "off"}, ["Endpoint.status"]),
]


async def test_every_faulty_element_is_named_and_nothing_is_written(software: Software) -> None:
    before = await profile_of(software)
    own = {kind: (await software.own(kind))[0] for kind in ("HealthcareService", "Location", "Endpoint")}
    for kind, change, named in FAULTS:
        path = f"{kind}/{own[kind]['id']}"
        status, outcome, _ = await software.call("PUT", path, own[kind] | change, "*")
        assert (status, elements(outcome)) == (422, named), change
    assert await profile_of(software) == before


async def test_no_endpoint_has_somebody_elses_account_nor_one_twice(software: Software) -> None:
    for address in ("matrix:u/erika:messenger.example", "matrix:u/termine:praxis-sommer.example"):
        status, outcome, _ = await software.call("POST", "Endpoint", NEW | {"address": address})
        assert (status, elements(outcome)) == (422, ["Endpoint.address"])


async def test_a_practice_that_is_shown_keeps_saying_what_it_is(software: Software) -> None:
    status, outcome = await software.put((await software.the("HealthcareService")) | {"type": []})
    assert (status, outcome["issue"][0]["code"]) == (409, "conflict")


async def test_another_practices_resources_are_not_there(software: Software) -> None:
    service = await software.the("HealthcareService")
    winter = Software(software.directory, await software.directory.practice_joins(WINTER), WINTER)
    for method in ("GET", "PUT"):
        status, _, _ = await winter.call(method, f"HealthcareService/{service['id']}", service, "*")
        assert status == 404
    endpoint = (await software.own("Endpoint"))[0]
    assert (await winter.call("DELETE", f"Endpoint/{endpoint['id']}"))[0] == 404
    assert [one["id"] for one in await winter.own("HealthcareService")] != [service["id"]]


async def test_own_resources_are_searched_in_pages(software: Software) -> None:
    status, bundle, _ = await software.call("GET", "Endpoint?status=active&_count=1")
    assert (status, bundle["total"], len(bundle["entry"])) == (200, 2, 1)
    following = next(link["url"] for link in bundle["link"] if link["relation"] == "next")
    path = following.removeprefix(f"{software.directory.url}/owner/")
    _, last, _ = await software.call("GET", path)
    assert (len(last["entry"]), [link["relation"] for link in last["link"]]) == (1, ["self"])
    for wrong in ("colour=red", "_count=x", "_offset=-1"):
        status, outcome, _ = await software.call("GET", f"Endpoint?{wrong}")
        assert (status, outcome["resourceType"]) == (400, "OperationOutcome")


async def test_a_body_that_is_no_resource_is_refused(software: Software) -> None:
    service = await software.the("HealthcareService")
    for body in (b"", b"{", b"[]", b'"x"', b'{"resourceType": 1, "endpoint": 5}'):
        for method, path in (("PUT", f"HealthcareService/{service['id']}"), ("POST", "Endpoint")):
            status, outcome, _ = await software.call(method, path, body, "*")
            assert (status in {400, 422}, outcome["resourceType"]) == (True, "OperationOutcome")


async def test_without_a_token_the_refusal_is_fhir_too(directory: Directory) -> None:
    async with directory.http.get(f"{directory.url}/owner/Endpoint") as answer:
        told = await answer.json(content_type=None)
        assert (answer.status, answer.content_type, told["issue"][0]["code"]) == (401, MEDIA_TYPE, "login")
        assert "WWW-Authenticate" in answer.headers


async def test_while_the_homeserver_is_down_nothing_is_written(software: Software) -> None:
    service = await software.the("HealthcareService")
    software.directory.homeserver.down = True
    status, outcome = await software.put(service | {"name": "Praxis Neu"})
    assert (status, outcome["issue"][0]["code"]) == (503, "transient")
    assert await software.the("HealthcareService") == service


async def test_who_is_no_doctor_has_codes_of_another_system(directory: Directory) -> None:
    """Psychotherapists, dentists, pharmacies: gematik's HealthcareServiceTypeVS has a code system for each kind."""
    profile = FULL_PROFILE | {"name": "Praxis am Park", "specialties": ["PST"]}
    software = Software(directory, await directory.practice_joins(profile=profile))
    _, bundle, _ = await software.call("GET", "HealthcareService")
    service = bundle["entry"][0]["resource"]
    assert service["type"] == [{"coding": [PSYCHOTHERAPY]}]
    path = f"HealthcareService/{service['id']}"
    status, written, _ = await software.call("PUT", path, service | {"name": "Praxis im Park"}, if_match="*")
    assert (status, written["type"]) == (200, service["type"])
    assert await directory.found("Psychotherapeutin") == ["Praxis im Park – Psychotherapie, Hamburg"]
    patient = Client(directory, await directory.search_token())
    doctors = "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4"
    for value, total in (("PST", 1), (f"{PSYCHOTHERAPY['system']}|PST", 1), (f"{doctors}|PST", 0), ("PSYC", 0)):
        assert (await patient.search("HealthcareService", ("specialty", value)))["total"] == total, value
    wrong = service | {"type": [{"coding": [PSYCHOTHERAPY | {"system": doctors}]}]}
    status, outcome, _ = await software.call("PUT", path, wrong, if_match="*")
    assert (status, outcome["issue"][0]["expression"]) == (422, ["HealthcareService.type[0].coding[0].code"])
