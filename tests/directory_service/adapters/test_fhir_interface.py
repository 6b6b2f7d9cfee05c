"""The FHIR interface over HTTP: metadata, read, forms, lenience, what is sent along, named queries, audiences."""

from urllib.parse import urlencode

import pytest

from directory_service.rules.fhir.items import KINDS
from directory_service.search.fhir.capability import MEDIA_TYPE
from tests.directory_service.bench import FULL_PROFILE, PROFILE, SERVER_NAME, SOMMER, WINTER, Directory, messenger
from tests.directory_service.fhir_client import FORM, Client, Parameters, kinds, of_mode

PHARMACY = "3-07.2.1444560000.16.108"
OWN_ACCOUNT = f"@practice-{SOMMER[2:]}:{SERVER_NAME}"


@pytest.fixture
async def patient(directory: Directory) -> Client:
    """A patient's client of a directory with one practice that said everything, and one that said little."""
    await directory.practice_joins(profile=FULL_PROFILE)
    await directory.practice_joins(WINTER)
    return Client(directory, await directory.search_token())


@pytest.mark.parametrize("path", ["/metadata", "/fdv/search/metadata", "/search/metadata"])
async def test_anybody_may_know_what_the_search_can_do(directory: Directory, path: str) -> None:
    async with directory.http.get(directory.url + path) as answer:
        statement = await answer.json(content_type=None)
        assert (answer.status, answer.content_type) == (200, MEDIA_TYPE)
    assert (statement["resourceType"], statement["fhirVersion"]) == ("CapabilityStatement", "4.0.1")
    base = "/search" if path.startswith("/search") else "/fdv/search"
    assert statement["implementation"]["url"] == directory.url + base
    (rest,) = statement["rest"]
    assert [resource["type"] for resource in rest["resource"]] == list(KINDS)


async def test_what_metadata_says_can_be_searched_and_included(patient: Client) -> None:
    _, statement, _ = await patient.call("GET", "metadata")
    values = {"_complexSearch": "true", "_summary": "false", "_total": "none", "_count": "5"}
    for resource in statement["rest"][0]["resource"]:
        asked = [
            (parameter["name"], "53|10|5|km" if parameter["type"] == "special" else values.get(parameter["name"], "x1"))
            for parameter in resource["searchParam"]
        ]
        asked += [("_include", value) for value in resource["searchInclude"]]
        asked += [("_revinclude", value) for value in resource.get("searchRevInclude", [])]
        for parameter in asked:
            await patient.search(resource["type"], parameter)


async def test_each_resource_can_be_read_by_its_id(patient: Client) -> None:
    bundle = await patient.search("HealthcareService", ("_text", "kollegen"), ("_include", "*"))
    assert kinds(bundle, "include") == ["Endpoint"] * 3 + ["Location", "Organization"]
    for entry in bundle["entry"]:
        path = entry["fullUrl"].removeprefix(f"{patient.base}/")
        status, resource, headers = await patient.call("GET", path)
        assert (status, resource) == (200, entry["resource"])
        assert headers["ETag"] == f'W/"{resource["meta"]["versionId"]}"'
        assert (await patient.call("HEAD", path))[0] == 200


async def test_what_is_not_there_cannot_be_read(patient: Client) -> None:
    (service, _) = of_mode(await patient.search("HealthcareService"), "match")
    for path in ("HealthcareService/x", f"Endpoint/{service['id']}", f"Practitioner/{service['id']}", "Endpoint/.x"):
        status, outcome, _ = await patient.call("GET", path)
        assert (status, outcome["issue"][0]["code"]) == (404, "not-found"), path
    status, outcome, _ = await patient.call("GET", "Patient/x")
    assert (status, outcome["issue"][0]["code"]) == (404, "not-supported")


async def test_who_paused_is_neither_found_nor_read(directory: Directory) -> None:
    key = await directory.practice_joins()
    client = Client(directory, await directory.search_token())
    (service,) = of_mode(await client.search("HealthcareService"), "match")
    pause = {"visible_to_insured": False, "consent_text": "2026-11"}
    assert (await directory.as_practice(key, "PUT", "/owner/visibility", pause))[0] == 200
    assert (await client.search("HealthcareService"))["total"] == 0
    assert (await client.call("GET", f"HealthcareService/{service['id']}"))[0] == 404


async def test_a_search_by_form_stands_in_no_address_and_finds_the_same(patient: Client) -> None:
    asked = [("_text", "kollegen"), ("location.address-city", "Hamburg"), ("_include", "*")]
    by_address = await patient.search("HealthcareService", *asked)
    body = urlencode(asked).encode()
    status, by_form, _ = await patient.call("POST", "HealthcareService/_search", body=body, Content_Type=FORM)
    assert (status, by_form["total"], by_form["entry"]) == (200, 1, by_address["entry"])
    status, mixed, _ = await patient.call(
        "POST", "HealthcareService/_search", [("_text", "kollegen")], body=b"_include=*", Content_Type=FORM
    )
    assert (status, mixed["entry"]) == (200, by_address["entry"])


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 415),
        (b"name=\xff", FORM, 400),
        (b"name=%ff", FORM, 400),
        (b"colour=red", FORM, 400),
        (b"", FORM, 200),
    ],
)
async def test_a_form_that_is_none_is_refused(patient: Client, body: bytes, content_type: str, status: int) -> None:
    answered, told, _ = await patient.call("POST", "Location/_search", body=body, Content_Type=content_type)
    assert (answered, told["resourceType"]) == (status, "Bundle" if status == 200 else "OperationOutcome")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "HealthcareService", "GET, HEAD"),
        ("DELETE", "HealthcareService/x", "GET, HEAD"),
        ("GET", "HealthcareService/_search", "POST"),
        ("POST", "metadata", "GET, HEAD"),
    ],
)
async def test_nothing_can_be_written_here(patient: Client, method: str, path: str, allowed: str) -> None:
    status, outcome, headers = await patient.call(method, path)
    assert (status, headers["Allow"], outcome["issue"][0]["code"]) == (405, allowed, "not-supported")


@pytest.mark.parametrize("prefer", ["handling=lenient", 'respond-async, handling="lenient"', "Handling=Lenient; x=y"])
async def test_lenience_ignores_unknown_parameters_and_says_which(patient: Client, prefer: str) -> None:
    asked = [("colour", "red"), ("_text", "kollegen"), ("_sort", "name")]
    status, bundle, _ = await patient.call("GET", "HealthcareService", asked, Prefer=prefer)
    assert (status, bundle["total"], kinds(bundle, "match")) == (200, 1, ["HealthcareService"])
    (outcome,) = of_mode(bundle, "outcome")
    assert [issue["severity"] for issue in outcome["issue"]] == ["warning"]
    assert "colour, _sort" in outcome["issue"][0]["diagnostics"]
    (link,) = bundle["link"]
    assert link == {"relation": "self", "url": f"{patient.base}/HealthcareService?_text=kollegen"}


@pytest.mark.parametrize("parameter", [("_summary", "count"), ("_count", "0")])
async def test_a_mere_count_has_no_entries_whatever_could_be_told(patient: Client, parameter: tuple[str, str]) -> None:
    asked = [("_text", "Hausarzt"), ("colour", "red"), parameter]
    status, bundle, _ = await patient.call("GET", "HealthcareService", asked, Prefer="handling=lenient")
    assert (status, bundle["total"], bundle.get("entry")) == (200, 2, None)
    (link,) = bundle["link"]
    assert link["relation"] == "self"
    assert "colour" not in link["url"]


async def test_what_a_word_was_taken_to_mean_is_told(patient: Client) -> None:
    bundle = await patient.search("HealthcareService", ("_text", "Hausarzt"))
    assert kinds(bundle, "match") == ["HealthcareService"] * 2
    (outcome,) = of_mode(bundle, "outcome")
    assert [(issue["severity"], issue["code"]) for issue in outcome["issue"]] == [("information", "informational")]
    said = outcome["issue"][0]["diagnostics"]
    assert "„Hausarzt“ steht hier auch für: Allgemeinmedizin, Innere Medizin." in said
    assert "Ob eine Praxis mit dem Fachgebiet Innere Medizin auch „Hausarzt“ ist, steht nicht im Verzeichnis" in said


async def test_two_words_that_are_a_practices_name_are_told_as_one(directory: Directory) -> None:
    await directory.practice_joins(profile=PROFILE | {"name": "Dr. Sommer", "specialties": ["KARD"]})
    client = Client(directory, await directory.search_token())
    bundle = await client.search("HealthcareService", ("_text", "Kardiologie Praxis"))
    assert [service["name"] for service in of_mode(bundle, "match")] == ["Dr. Sommer"]
    (outcome,) = of_mode(bundle, "outcome")
    assert "„Kardiologie Praxis“ steht hier auch für: Kardiologie" in outcome["issue"][0]["diagnostics"]


async def test_an_internist_with_a_focus_is_no_family_doctor(directory: Directory) -> None:
    await directory.practice_joins(profile=PROFILE | {"name": "Praxis Sommer", "specialties": ["INNE", "KARD"]})
    await directory.practice_joins(WINTER, profile=PROFILE | {"name": "Praxis Winter", "specialties": ["INNE"]})
    client = Client(directory, await directory.search_token())
    for text, found in (("Hausarzt", ["Praxis Winter"]), ("Internistin", ["Praxis Sommer", "Praxis Winter"])):
        matches = of_mode(await client.search("HealthcareService", ("_text", text)), "match")
        assert [service["name"] for service in matches] == found


@pytest.mark.parametrize("prefer", ["handling=strict", "return=minimal", ""])
async def test_without_lenience_unknown_parameters_are_refused(patient: Client, prefer: str) -> None:
    status, outcome, _ = await patient.call("GET", "HealthcareService", [("colour", "red")], Prefer=prefer)
    assert (status, outcome["resourceType"]) == (400, "OperationOutcome")
    assert "colour" in outcome["issue"][0]["diagnostics"]


@pytest.mark.parametrize("wanted", [("_summary", "count"), ("_count", "0")])
async def test_the_number_alone_can_be_asked_for(patient: Client, wanted: tuple[str, str]) -> None:
    bundle = await patient.search("HealthcareService", ("location.address-city", "Hamburg"), wanted, ("_include", "*"))
    assert (bundle["total"], bundle.get("entry"), bundle["meta"]["tag"][0]["code"]) == (2, None, "SUBSETTED")
    assert [link["relation"] for link in bundle["link"]] == ["self"]


@pytest.mark.parametrize(
    ("kind", "parameters", "expected"),
    [
        ("Organization", [("_revinclude", "HealthcareService:organization")], ["HealthcareService"]),
        ("Location", [("_revinclude", "HealthcareService:location:Location")], ["HealthcareService"]),
        (
            "Organization",
            [("_revinclude", "HealthcareService:organization"), ("_include:iterate", "HealthcareService:location")],
            ["HealthcareService", "Location"],
        ),
        ("Organization", [("_revinclude", "*")], ["HealthcareService", "Location"]),
        ("Organization", [("_include", "*")], []),
    ],
)
async def test_what_leads_to_a_match_is_sent_along(
    patient: Client, kind: str, parameters: Parameters, expected: list[str]
) -> None:
    name = ("name", "praxis dr. sommer")
    bundle = await patient.search(kind, name, *parameters)
    assert (kinds(bundle, "match"), kinds(bundle, "include")) == ([kind], expected)


async def test_an_endpoint_leads_to_its_practice_once_even_if_several_match(patient: Client) -> None:
    bundle = await patient.search("Endpoint", ("name", "praxis dr."), ("_revinclude", "HealthcareService:endpoint"))
    assert (bundle["total"], kinds(bundle, "include")) == (3, ["HealthcareService"])


async def test_endpoints_that_do_not_answer_are_included_and_can_be_told_apart(patient: Client) -> None:
    asked = [("endpoint.status", "active"), ("_text", "kollegen"), ("_include", "HealthcareService:endpoint")]
    included = of_mode(await patient.search("HealthcareService", *asked), "include")
    assert sorted(endpoint["status"] for endpoint in included) == ["active", "active", "suspended"]


async def test_what_is_near_is_found_with_its_distance_and_all_that_belongs_to_it(patient: Client) -> None:
    here = [("_query", "near"), ("latitude", "53.55"), ("longitude", "10.0"), ("distance", "50")]
    bundle = await patient.search("HealthcareService", *here)
    nearest = bundle["entry"][0]
    (distance,) = nearest["search"]["extension"]
    assert distance["url"] == "http://hl7.org/fhir/StructureDefinition/location-distance"
    assert (distance["valueDistance"]["unit"], distance["valueDistance"]["value"] < 2) == ("km", True)
    assert nearest["resource"]["name"] == FULL_PROFILE["name"]
    assert set(kinds(bundle, "include")) == {"Location", "Organization"}
    for name, fault in (("distance", "500"), ("latitude", "north")):
        faulty = [(known, fault if known == name else value) for known, value in here]
        status, outcome, _ = await patient.call("GET", "HealthcareService", faulty)
        assert (status, name in outcome["issue"][0]["diagnostics"]) == (400, True)


async def test_who_said_no_hours_is_told_beside_who_is_open(patient: Client) -> None:
    """Winter said none; they are a value of their own, neither open nor closed."""
    here = [("_query", "near"), ("latitude", "53.55"), ("longitude", "10.0"), ("distance", "50")]
    bundle = await patient.search("HealthcareService", *here, ("isOpenInMinutes", "0"))
    (outcome,) = of_mode(bundle, "outcome")
    assert "keine Öffnungszeiten bekannt sind, aber sonst passend: 1." in outcome["issue"][0]["diagnostics"]


async def test_pharmacies_near_a_point_are_found_alone(directory: Directory, patient: Client) -> None:
    position = {"latitude": 53.55, "longitude": 10.0}
    shop = PROFILE | {
        "name": "Apotheke am Markt",
        "address": {"line": "Markt 1", "postcode": "20095", "city": "Hamburg", "position": position},
    }
    await directory.practice_joins(PHARMACY, profile=shop)
    here = [("latitude", "53.55"), ("longitude", "10.0"), ("distance", "50")]
    bundle = await patient.search("HealthcareService", ("_query", "nearPharmacy"), *here)
    assert [service["name"] for service in of_mode(bundle, "match")] == ["Apotheke am Markt"]
    everything = await patient.search("HealthcareService", ("_query", "near"), *here)
    assert of_mode(everything, "match")[0]["name"] == "Apotheke am Markt"
    assert everything["total"] > 1


async def test_the_requests_of_gematiks_guide_find_what_they_are_about(directory: Directory, patient: Client) -> None:
    """Source: api-vzd, HOWTO_Search and its samples; addresses as they stand there, with what is stored here."""
    person, practice = "1-112345678", Client(directory, await directory.search_token(OWN_ACCOUNT), "/search")
    await directory.practice_joins(person, profile=PROFILE | {"name": "Dr. Anna Sommer"})
    service = "HealthcareService?organization.active=true&endpoint.status=active"
    role = "PractitionerRole?practitioner.active=true&endpoint.status=active&endpoint.payload-type=tim-chat"
    known = "&_include=PractitionerRole:practitioner&_include=PractitionerRole:location"
    for client, asked, total, included in (
        (patient, f"{service}&_text=Kollegen&_include=HealthcareService:organization", 1, ["Organization"]),
        (
            practice,
            f"{service}&_include=*&organization.identifier={WINTER}",
            1,
            ["Endpoint", "Location", "Organization"],
        ),
        (patient, f"{service}&_text=kollegen&organization._tag=fdv-relevant", 1, []),
        (patient, "PractitionerRole?practitioner.active=true&_text=Arzt/%C3%84rztin", 1, []),
        (
            patient,
            "HealthcareService?_query=near&text=1.2.276.0.76.4.50&latitude=53.557&longitude=10.011&distance=10&_count=8",
            2,
            ["Location", "Location", "Organization", "Organization"],
        ),
        (patient, f"{service}&_text=kollegen%20hamburg&location.near=53.557|10.011|5|km", 1, []),
        (patient, f"{role}&location.address-city=Hamburg{known}", 1, ["Location", "Practitioner"]),
        (patient, f"{role}&practitioner.qualification=1.2.276.0.76.4.30&practitioner.name=Dr.%20Anna", 1, []),
        (
            practice,
            f"Endpoint?status=active&_has:HealthcareService:endpoint:identifier={WINTER}"
            "&_revinclude=HealthcareService:endpoint",
            1,
            ["HealthcareService"],
        ),
        (
            patient,
            "HealthcareService?_query=near&latitude=53.557&longitude=10.011&distance=10&_count=20"
            "&organization.type=1.2.276.0.76.4.50&specialty=INNE",
            1,
            ["Location", "Organization"],
        ),
    ):
        path, _, query = asked.partition("?")
        status, bundle, _ = await client.call("GET", path, query.replace("|", "%7C"))
        assert (status, bundle["total"], kinds(bundle, "include")) == (200, total, included), asked


async def test_each_audience_has_its_own_search(directory: Directory) -> None:
    await directory.practice_joins()
    await directory.practice_joins(WINTER, profile=PROFILE | {"hide_from_insured": True})
    insured, practice = await directory.search_token(), await directory.search_token(OWN_ACCOUNT)
    seen = await Client(directory, practice, "/search").search("HealthcareService")
    assert seen["total"] == 2
    patient = Client(directory, insured)
    assert (await patient.search("HealthcareService"))["total"] == 1
    (hidden,) = [service for service in of_mode(seen, "match") if service["identifier"][0]["value"] == WINTER]
    assert (await patient.call("GET", f"HealthcareService/{hidden['id']}"))[0] == 404
    for token, path in ((insured, "/search"), (practice, "/fdv/search")):
        status, outcome, headers = await Client(directory, token, path).call("GET", "HealthcareService")
        assert (status, outcome["issue"][0]["code"], headers["WWW-Authenticate"]) == (401, "login", "Bearer")


async def test_an_address_that_hides_is_shown_to_practices_alone(directory: Directory) -> None:
    hidden = messenger("@nur-praxen:praxis-sommer.example", hide_from_insured=True)
    await directory.practice_joins(profile=PROFILE | {"messengers": [messenger("@a:praxis-sommer.example"), hidden]})
    await directory.practice_joins(WINTER)
    patient = Client(directory, await directory.search_token())
    colleague = Client(directory, await directory.search_token(f"@practice-{WINTER[2:]}:{SERVER_NAME}"), "/search")
    uri = "matrix:u/nur-praxen:praxis-sommer.example"
    ids = {}
    for client in (patient, colleague):
        (service,) = of_mode(await client.search("HealthcareService", ("organization.identifier", SOMMER)), "match")
        found = of_mode(await client.search("Endpoint", ("address", uri)), "match")
        by_chain = of_mode(await client.search("HealthcareService", ("endpoint.address", uri)), "match")
        ids[client] = [endpoint["id"] for endpoint in found]
        assert (len(service["endpoint"]), len(found), len(by_chain)) == ((1, 0, 0) if client is patient else (2, 1, 1))
    (hidden_id,) = ids[colleague]
    assert (await patient.call("GET", f"Endpoint/{hidden_id}"))[0] == 404
    assert (await colleague.call("GET", f"Endpoint/{hidden_id}"))[0] == 200
