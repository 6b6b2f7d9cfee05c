"""The description of the search: every route, parameter, link and status is in it, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from directory_service.adapters.search_tokens import PATHS
from directory_service.adapters.specialty_file import read_specialties
from directory_service.app import open_application
from directory_service.rules.fhir.items import KINDS, Kind
from directory_service.search.fhir.capability import search_parameters
from directory_service.search.fhir.includes import possible, possible_reverse
from directory_service.search.fhir.named_queries import PARAMETERS, QUERIES
from directory_service.search.fhir.parameters import ParameterTable
from directory_service.search.fhir.query import AFTER
from tests.directory_service.bench import FULL_PROFILE, Directory
from tests.directory_service.fhir_client import FORM, Client

DESCRIPTION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[3] / "docs/openapi/directory-search.yaml").read_text(encoding="utf-8")
)
TABLE = ParameterTable(read_specialties())
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")


def followed(part: Any) -> Any:
    """A part of the description, or what it refers to."""
    if "$ref" not in part:
        return part
    found = DESCRIPTION
    for name in part["$ref"].removeprefix("#/").split("/"):
        found = found[name]
    return found


def addresses() -> Iterator[tuple[str, str]]:
    """Each described path at each of its servers, with the path itself."""
    for path, calls in DESCRIPTION["paths"].items():
        for server in calls.get("servers", DESCRIPTION["servers"]):
            yield server["url"].rstrip("/") + path, path


def methods(path: str) -> set[str]:
    """The methods described of a path."""
    return {name.upper() for name in DESCRIPTION["paths"][path] if name.upper() in METHODS}


async def test_every_route_of_the_search_is_described_and_no_other(directory: Directory) -> None:
    beginnings = ("/tim-authenticate", "/metadata", *(f"{path}/" for path in PATHS.values()))
    async with open_application(directory.settings) as app:
        canonical = {route.resource.canonical for route in app.router.routes() if route.resource}
    served = {
        address.replace("{kind}", kind) for address in canonical for kind in KINDS if address.startswith(beginnings)
    }
    assert {address for address, _ in addresses()} == served


async def test_each_route_answers_to_the_methods_described_and_to_no_other(directory: Directory) -> None:
    token = await directory.search_token()
    for address, path in addresses():
        answering = set()
        for method in METHODS:
            url = directory.url + address.replace("{resource_id}", "x")
            async with directory.http.request(method, url, headers={"Authorization": f"Bearer {token}"}) as answer:
                if answer.status != 405:
                    answering.add(method)
        assert answering == methods(path), address


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_of_a_search_is_described_with_its_meaning_and_no_other(kind: Kind) -> None:
    described = [followed(parameter) for parameter in DESCRIPTION["paths"][f"/{kind}"]["get"]["parameters"]]
    names = [parameter["name"] for parameter in described if parameter["in"] == "query"]
    understood = {name: meaning for name, _, meaning in search_parameters(kind, TABLE)}
    named = set(PARAMETERS) if kind == "HealthcareService" else set()
    assert sorted(names) == sorted({*understood, *named, "_include", "_revinclude", "_format", AFTER})
    assert [parameter["name"] for parameter in described if parameter["in"] != "query"] == ["Prefer"]
    for parameter in described:
        if parameter["name"] in set(understood) - named:
            assert understood[parameter["name"]] in parameter["description"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_link_that_can_be_included_is_described(kind: Kind) -> None:
    examples = {
        parameter["name"]: parameter["schema"]["example"]
        for parameter in map(followed, DESCRIPTION["paths"][f"/{kind}"]["get"]["parameters"])
        if parameter["name"] in {"_include", "_revinclude"}
    }
    assert examples == {"_include": list(possible(kind)), "_revinclude": ["*", *possible_reverse(kind)]}


def test_the_named_queries_are_described() -> None:
    assert DESCRIPTION["components"]["parameters"]["Query"]["schema"]["enum"] == list(QUERIES)


def test_each_reference_in_the_description_leads_somewhere_and_each_component_is_used() -> None:
    used = set()

    def look(part: Any) -> None:
        if isinstance(part, dict):
            if "$ref" in part:
                assert followed(part)
                used.add(part["$ref"])
            for inner in part.values():
                look(inner)
        elif isinstance(part, list):
            for inner in part:
                look(inner)

    look(DESCRIPTION)
    components = {
        f"#/components/{group}/{name}"
        for group, members in DESCRIPTION["components"].items()
        for name in members
        if group != "securitySchemes"
    }
    assert components == used


def fits(value: Any, schema: dict[str, Any]) -> bool:
    """Whether a value has what a schema needs: its type, its fields and its words."""
    schema = followed(schema)
    if "oneOf" in schema:
        return sum(fits(value, choice) for choice in schema["oneOf"]) == 1
    types: dict[str, type | tuple[type, ...]] = {
        "object": dict,
        "array": list,
        "string": str,
        "integer": int,
        "number": (int, float),
    }
    if not isinstance(value, types[schema["type"]]) or value not in schema.get("enum", [value]):
        return False
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(fits(one, schema["items"]) for one in value)
    if isinstance(value, dict):
        known = schema.get("properties", {})
        return set(schema.get("required", [])) <= set(value) and all(
            fits(one, known[name]) for name, one in value.items() if name in known
        )
    return True


ASKED: list[tuple[str, str, str, dict[str, str], int]] = [
    ("GET", "/metadata", "", {}, 200),
    ("GET", "/HealthcareService", "_text=sommer&_include=*&location.near=53.5|10|50|km", {}, 200),
    ("GET", "/HealthcareService", "_text=nobody", {}, 200),
    ("GET", "/HealthcareService", "colour=red", {"Prefer": "handling=lenient"}, 200),
    ("GET", "/HealthcareService", "colour=red", {}, 400),
    ("GET", "/Endpoint", "", {"Authorization": "Bearer x"}, 401),
    ("GET", "/Endpoint/{resource_id}", "", {}, 404),
    ("POST", "/Location/_search", "", {"Content_Type": "application/json"}, 415),
    ("POST", "/Location/_search", "_text=sommer", {"Content_Type": FORM}, 200),
]


@pytest.mark.parametrize(("method", "path", "query", "headers", "expected"), ASKED)
async def test_answers_have_a_status_and_fields_that_are_described(
    directory: Directory, method: str, path: str, query: str, headers: dict[str, str], expected: int
) -> None:
    await directory.practice_joins(profile=FULL_PROFILE)
    client = Client(directory, await directory.search_token())
    address = path.removeprefix("/").replace("{resource_id}", "x")
    status, told, _ = await client.call(method, address, query.replace("|", "%7C"), body=None, **headers)
    assert status == expected
    response = followed(DESCRIPTION["paths"][path][method.lower()]["responses"][str(status)])
    assert fits(told, response["content"]["application/fhir+json"]["schema"])


async def test_a_form_that_is_too_large_is_refused_as_described(directory: Directory) -> None:
    headers = {"Authorization": f"Bearer {await directory.search_token()}", "Content-Type": FORM}
    url, body = f"{directory.url}/fdv/search/Location/_search", b"name=" + b"x" * 1024 * 1024
    async with directory.http.post(url, data=body, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (413, "application/fhir+json")
    assert "413" in DESCRIPTION["paths"]["/Location/_search"]["post"]["responses"]


async def test_an_address_that_is_too_long_is_refused_as_described(directory: Directory) -> None:
    for length, status, content_type in ((9_000, 414, "application/fhir+json"), (66_000, 400, "text/plain")):
        async with directory.http.get(f"{directory.url}/fdv/search/Location?name={'x' * length}") as answer:
            response = followed(DESCRIPTION["paths"]["/Location"]["get"]["responses"][str(answer.status)])
            assert (answer.status, answer.content_type) == (status, content_type)
            assert content_type in response["content"]
