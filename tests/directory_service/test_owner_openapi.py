"""The descriptions of the owner interface: every route and every field is in them, and nothing else."""

from pathlib import Path
from typing import Any

import yaml

from directory_service.adapters.profile_wire import ProfileWire
from directory_service.app import open_application
from tests.directory_service.bench import Directory

FOLDER = Path(__file__).parents[2] / "docs/openapi"
DESCRIPTION: dict[str, Any] = yaml.safe_load((FOLDER / "directory-owner.yaml").read_text(encoding="utf-8"))
IN_FHIR: dict[str, Any] = yaml.safe_load((FOLDER / "directory-owner-fhir.yaml").read_text(encoding="utf-8"))


async def test_every_route_of_the_owner_interface_is_described_and_no_other(directory: Directory) -> None:
    async with open_application(directory.settings) as app:
        served = {
            (route.method, route.resource.canonical)
            for route in app.router.routes()
            if route.resource
            and route.resource.canonical.startswith(("/owner/", "/oauth2/"))
            and route.method != "HEAD"
        }
    described = [
        (method.upper(), path)
        for description in (DESCRIPTION, IN_FHIR)
        for path, calls in description["paths"].items()
        for method in calls
        if method != "parameters"
    ]
    assert sorted(described) == sorted(served)


def shape(schema: dict[str, Any], definitions: dict[str, Any]) -> Any:
    """The names of all fields, however deep, of a JSON schema or an OpenAPI one."""
    for choice in ("allOf", "anyOf"):
        for option in schema.get(choice, []):
            if option.get("type") != "null":
                return shape(option, definitions)
    if "$ref" in schema:
        return shape(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    if "properties" in schema:
        needed = set(schema.get("required", []))
        return {name: (name in needed, shape(field, definitions)) for name, field in schema["properties"].items()}
    return shape(schema["items"], definitions) if "items" in schema else None


def test_the_profile_described_is_the_profile_that_is_read() -> None:
    ours = ProfileWire.model_json_schema()
    described = DESCRIPTION["components"]["schemas"]
    assert shape(described["Profile"], described) == shape(ours, ours["$defs"])


async def test_an_answer_has_the_fields_described_and_no_other(directory: Directory) -> None:
    key = await directory.practice_joins()
    _, own = await directory.as_practice(key, "GET", "/owner/practice")
    assert set(own) == set(DESCRIPTION["components"]["schemas"]["Practice"]["properties"])
