"""Clients that others wrote read, search and page against the directory: fhirpy and fhirclient."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from fhirclient.client import FHIRClient
from fhirclient.models.healthcareservice import HealthcareService
from fhirclient.models.location import Location
from fhirclient.server import FHIRNotFoundException, FHIRUnauthorizedException
from fhirpy import AsyncFHIRClient
from fhirpy.base.exceptions import AuthorizationError, OperationOutcome, ResourceNotFound

from tests.directory_service.bench import FULL_PROFILE, PROFILE, SOMMER, Directory

Found = TypeVar("Found")
IDS = [SOMMER, *(f"1-2000000020{number}" for number in range(4))]
CHAT = "matrix:u/practice-{}:messenger.example"


@pytest.fixture
async def practices(directory: Directory) -> list[str]:
    """The names of five practices; the first said everything."""
    names = [FULL_PROFILE["name"], *(f"Hausarztpraxis Nummer {number}" for number in range(1, 5))]
    for telematik_id, name in zip(IDS, names, strict=True):
        profile = PROFILE | {"name": name} if telematik_id != IDS[0] else FULL_PROFILE
        await directory.practice_joins(telematik_id, profile=profile)
    return [str(name) for name in names]


def fhirpy_client(directory: Directory, token: str, **headers: str) -> AsyncFHIRClient:
    """A client as an app would make it."""
    return AsyncFHIRClient(f"{directory.url}/fdv/search", authorization=f"Bearer {token}", extra_headers=headers)


async def test_fhirpy_searches_and_pages_through_everything(directory: Directory, practices: list[str]) -> None:
    client = fhirpy_client(directory, await directory.search_token())
    services = client.resources("HealthcareService").search(_text="hamburg").limit(2)
    assert len(await services.fetch()) == 2
    found = await services.fetch_all()
    assert sorted(service["name"] for service in found) == sorted(practices)
    assert len({service.id for service in found}) == len(practices)
    first = await client.resources("HealthcareService").search(name="praxis dr.").first()
    assert first is not None
    assert first["name"] == practices[0]


async def test_fhirpy_follows_references_and_reads_the_address_to_write_to(
    directory: Directory, practices: list[str]
) -> None:
    client = fhirpy_client(directory, await directory.search_token())
    service = await client.resources("HealthcareService").search(identifier=IDS[1]).get()
    organization = await service["providedBy"].to_resource()
    assert (organization.resourceType, organization["name"]) == ("Organization", practices[1])
    endpoint = await client.reference("Endpoint", service["endpoint"][0].id).to_resource()
    assert endpoint["address"] == CHAT.format(IDS[1][2:])


async def test_fhirpy_searches_chains_and_gets_what_it_includes(directory: Directory, practices: list[str]) -> None:
    client = fhirpy_client(directory, await directory.search_token())
    services = client.resources("HealthcareService")
    search = services.search(location__address_city="Hamburg", organization__active=True, specialty="INNE")
    bundle = await search.include("HealthcareService", "endpoint").include("HealthcareService", "location").fetch_raw()
    kinds = sorted(entry.resource.resourceType for entry in bundle.entry)
    assert (bundle.total, kinds) == (1, ["Endpoint"] * 3 + ["HealthcareService", "Location"])
    organizations = client.resources("Organization").has("HealthcareService", "organization", specialty="INNE")
    assert [organization["name"] for organization in await organizations.fetch_all()] == practices[:1]


async def test_fhirpy_counts_with_lenience_since_it_sends_a_parameter_that_fhir_does_not_have(
    directory: Directory, practices: list[str]
) -> None:
    token = await directory.search_token()
    lenient = fhirpy_client(directory, token, Prefer="handling=lenient")
    assert await lenient.resources("HealthcareService").count() == len(practices)
    with pytest.raises(OperationOutcome, match="_totalMethod"):
        await fhirpy_client(directory, token).resources("HealthcareService").count()


async def test_fhirpy_understands_refusals(directory: Directory) -> None:
    client = fhirpy_client(directory, await directory.search_token())
    with pytest.raises(OperationOutcome, match="colour"):
        await client.resources("HealthcareService").search(colour="red").fetch()
    with pytest.raises(ResourceNotFound):
        await client.reference("HealthcareService", "x").to_resource()
    with pytest.raises(AuthorizationError):
        await fhirpy_client(directory, "x").resources("HealthcareService").fetch()


async def with_fhirclient(directory: Directory, token: str, work: Callable[[Any], Found]) -> Found:
    """What a client does that waits for its answers, so it works beside the directory in a thread."""
    client = FHIRClient({"app_id": "test", "api_base": f"{directory.url}/fdv/search"})
    client.server.session.headers["Authorization"] = f"Bearer {token}"
    try:
        return await asyncio.to_thread(work, client.server)
    finally:
        client.server.session.close()


async def test_fhirclient_reads_what_the_directory_can_do(directory: Directory) -> None:
    def kinds(server: Any) -> list[str]:
        return [resource.type for resource in server.capabilityStatement.rest[0].resource]

    assert "HealthcareService" in await with_fhirclient(directory, "none is needed", kinds)


async def test_fhirclient_searches_and_pages_through_everything(directory: Directory, practices: list[str]) -> None:
    def search(server: Any) -> list[tuple[int, list[str]]]:
        pages = HealthcareService.where({"_text": "hamburg", "_count": "2"}).perform_iter(server)
        return [(page.total, [entry.resource.name for entry in page.entry]) for page in pages]

    pages = await with_fhirclient(directory, await directory.search_token(), search)
    assert [(total, len(names)) for total, names in pages] == [(5, 2), (5, 2), (5, 1)]
    assert sorted(name for _, names in pages for name in names) == sorted(practices)


async def test_fhirclient_reads_a_resource_and_what_it_leads_to(directory: Directory, practices: list[str]) -> None:
    def read(server: Any) -> tuple[str, str, int, list[str]]:
        search = HealthcareService.where({"specialty": "INNE"}).include("location").include("endpoint")
        (bundle,) = search.perform_iter(server)
        (service, *included) = (entry.resource for entry in bundle.entry)
        again = HealthcareService.read(service.id, server)
        place = Location.read(service.location[0].reference.rpartition("/")[2], server)
        return again.name, place.address.city, len(again.availableTime), sorted(one.resource_type for one in included)

    token = await directory.search_token()
    name, city, times, included = await with_fhirclient(directory, token, read)
    assert (name, city, included) == (practices[0], "Hamburg", ["Endpoint"] * 3 + ["Location"])
    assert times == 5


async def test_fhirclient_understands_refusals(directory: Directory) -> None:
    def read(server: Any) -> Any:
        return HealthcareService.read("x", server)

    with pytest.raises(FHIRNotFoundException):
        await with_fhirclient(directory, await directory.search_token(), read)
    with pytest.raises(FHIRUnauthorizedException):
        await with_fhirclient(directory, "x", read)
