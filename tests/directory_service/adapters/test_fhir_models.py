"""What the FHIR interface sends is FHIR R4 to a library that knows nothing of us (fhir.resources)."""

from typing import Any

import pytest
from fhir.resources.R4B import get_fhir_model_class
from pydantic import ValidationError

from directory_service.rules.fhir.items import KINDS
from tests.directory_service.bench import FULL_PROFILE, PROFILE, WINTER, Directory
from tests.directory_service.fhir_client import Client

PERSON = "1-1000000002"


@pytest.fixture
async def patient(directory: Directory) -> Client:
    """A patient's client of a directory with two organisations and a person."""
    await directory.practice_joins(profile=FULL_PROFILE)
    await directory.practice_joins(WINTER)
    await directory.practice_joins(PERSON, profile=PROFILE | {"name": "Dr. Änne Winter"})
    return Client(directory, await directory.search_token())


def read(sent: dict[str, Any]) -> Any:
    """What was sent, as the library's own classes; what FHIR does not know is refused by them."""
    return get_fhir_model_class(sent["resourceType"]).model_validate(sent)


@pytest.mark.parametrize("kind", KINDS)
async def test_each_bundle_and_each_resource_in_it_is_fhir(patient: Client, kind: str) -> None:
    sent = await patient.search(kind, ("_include", "*"), ("_revinclude", "*"), ("_text", "hamburg"), ("_count", "1"))
    bundle = read(sent)
    assert (bundle.total, bundle.type, bundle.entry[0].search.mode) == (sent["total"], "searchset", "match")
    assert len(bundle.entry) > 1
    for entry, model in zip(sent["entry"], bundle.entry, strict=True):
        assert model.resource.get_resource_type() == entry["resource"]["resourceType"]
        read(entry["resource"])


async def test_scores_distances_and_reasons_are_fhir(patient: Client) -> None:
    here = [("_query", "near"), ("latitude", "53.55"), ("longitude", "10.0"), ("distance", "50"), ("text", "sommer")]
    (match, *_) = read(await patient.search("HealthcareService", *here)).entry
    assert float(match.search.score) == 1
    reason, distance = match.search.extension
    assert (reason.valueCode, distance.valueDistance.code) == ("exact", "km")


@pytest.mark.parametrize(
    ("path", "query", "prefer", "kind"),
    [
        ("metadata", "", "", "CapabilityStatement"),
        ("HealthcareService", "_text=nobody", "", "Bundle"),
        ("HealthcareService", "_summary=count", "", "Bundle"),
        ("HealthcareService", "colour=red", "handling=lenient", "Bundle"),
        ("HealthcareService", "colour=red", "", "OperationOutcome"),
        ("HealthcareService/x", "", "", "OperationOutcome"),
    ],
)
async def test_every_other_answer_is_fhir_too(patient: Client, path: str, query: str, prefer: str, kind: str) -> None:
    _, sent, _ = await patient.call("GET", path, query, Prefer=prefer)
    assert read(sent).get_resource_type() == kind


async def test_the_library_refuses_what_is_no_fhir(patient: Client) -> None:
    sent = await patient.search("HealthcareService")
    faults: list[dict[str, Any]] = [
        {"colour": "red"},
        {"availableTime": [{"availableStartTime": "24:00"}]},
        {"meta": []},
    ]
    for fault in faults:
        with pytest.raises(ValidationError):
            read(sent["entry"][0]["resource"] | fault)
