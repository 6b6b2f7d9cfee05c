"""The description of the machine interface: every route is in it and no other, and the homeserver does what it says."""

from __future__ import annotations

import importlib
import inspect
import json
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import schemathesis
import yaml

import synapse_modules.adapters
from synapse_modules.adapters.machine_http import Route
from tests.synapse_modules.homeserver_under_test import Homeserver
from tests.synapse_modules.test_machine_api import ask_for_token, assertion_of, raw

DESCRIPTION: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[2] / "docs/openapi/homeserver-machine.yaml").read_text(encoding="utf-8")
)
CLIENT_OF = {
    "membership:write": "core-system",
    "insured:read": "bot",
    "account:events": "bot",
    "retention:act": "retention",
    "erasure:act": "retention",
    "practice:provision": "directory",
    "kvnr-key:rotate": "operator",
}


@dataclass(frozen=True)
class Described:
    method: str
    path: str
    scope: str
    operation: dict[str, Any]

    @property
    def body(self) -> dict[str, Any] | None:
        """The media type of the request's body."""
        if "requestBody" not in self.operation:
            return None
        return dict(resolved(self.operation["requestBody"])["content"]["application/json"])

    def query(self) -> str:
        """The parameters that are needed, with their examples."""
        needed = [one for one in self.operation.get("parameters", []) if one.get("required")]
        return "?" + "&".join(f"{one['name']}={one['example']}" for one in needed) if needed else ""


def resolved(schema: Any) -> Any:
    """A part of the description with what it refers to in its place, as JSON schema."""
    if isinstance(schema, list):
        return [resolved(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target: Any = DESCRIPTION
        for step in schema["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        return resolved(target)
    whole = {name: resolved(part) for name, part in schema.items()}
    if whole.pop("nullable", False):
        whole["type"] = [whole["type"], "null"]
    return whole


def described() -> Iterator[Described]:
    for path, calls in DESCRIPTION["paths"].items():
        for method, operation in calls.items():
            if operation.get("security") != []:
                [needed] = operation["security"]
                [scope] = needed["machine"]
                yield Described(method.upper(), path, scope, operation)


CALLS = list(described())
WITH_BODY = [call for call in CALLS if call.body is not None]


def ids(call: Described) -> str:
    return f"{call.method} {call.path}"


def routes() -> Iterator[Route]:
    """The routes of every group of calls that the module has."""
    for found in pkgutil.iter_modules(synapse_modules.adapters.__path__, "synapse_modules.adapters."):
        for _, group in inspect.getmembers(importlib.import_module(found.name), inspect.isclass):
            if group.__module__ == found.name and hasattr(group, "routes") and not inspect.isabstract(group):
                if getattr(group, "_is_protocol", False):
                    continue
                yield from group.routes(object.__new__(group))


async def answer(homeserver: Homeserver, call: Described, data: bytes) -> tuple[int, dict[str, Any]]:
    assertion = assertion_of(homeserver, CLIENT_OF[call.scope])
    _, given = await ask_for_token(homeserver, assertion, call.scope)
    status, content_type, text = await raw(
        homeserver, call.method, call.path + call.query(), given["access_token"], data
    )
    content = json.loads(text)
    if status != 200:
        assert content_type == "application/problem+json"
        jsonschema.validate(content, resolved(DESCRIPTION["components"]["schemas"]["Problem"]))
        kind = content["type"].removeprefix("urn:hek-messenger:problem:")
        assert kind in DESCRIPTION["components"]["schemas"]["Problem"]["properties"]["type"]["description"]
        content["kind"] = kind
    return status, content


def test_every_route_is_described_with_its_scope_and_no_other() -> None:
    served = {(route.method, route.path, route.scope) for route in routes()}
    assert len(served) > 10
    assert {(call.method, call.path, call.scope) for call in CALLS} == served
    scopes = DESCRIPTION["components"]["securitySchemes"]["machine"]["flows"]["clientCredentials"]["scopes"]
    assert set(scopes) == {call.scope for call in CALLS} == set(CLIENT_OF)


@pytest.mark.parametrize("call", CALLS, ids=ids)
async def test_the_example_is_answered_as_described(homeserver: Homeserver, call: Described) -> None:
    data = b"" if call.body is None else json.dumps(call.body["example"]).encode()
    status, content = await answer(homeserver, call, data)
    if status == 200:
        described_answer = resolved(call.operation["responses"]["200"])
        jsonschema.validate(content, described_answer["content"]["application/json"]["schema"])
    else:
        assert (status, content["kind"]) in {(404, "unknown-account"), (409, "not-erasable")}
    if call.body is not None:
        jsonschema.validate(call.body["example"], resolved(call.body["schema"]))


@pytest.mark.parametrize("call", WITH_BODY, ids=ids)
async def test_what_is_not_described_is_refused_with_its_own_type(homeserver: Homeserver, call: Described) -> None:
    assert call.body is not None
    example, schema = call.body["example"], resolved(call.body["schema"])
    assert schema["additionalProperties"] is False
    for data, kind in (
        (b"", "malformed-json"),
        (b'{"a": ', "malformed-json"),
        (b"\xff\xfe", "malformed-json"),
        (b"[]", "invalid-body"),
        (json.dumps(example | {"not_described": 1}).encode(), "unknown-field"),
    ):
        status, content = await answer(homeserver, call, data)
        assert (status, content["kind"]) == (400, kind), data
    for name in schema.get("required", []):
        less = {field: value for field, value in example.items() if field != name}
        status, content = await answer(homeserver, call, json.dumps(less).encode())
        assert (status, content["errors"][0]["field"]) == (400, name)
        assert content["kind"] in {"invalid-body", "invalid-date"}


def test_the_description_is_valid_openapi() -> None:
    schemathesis.openapi.from_dict(DESCRIPTION).validate()
