"""Patients' clients search by FHIR: bundles in gematik's shape, errors as OperationOutcome."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

import pytest

from directory_service.adapters.client_registry import PRACTICE_SCOPE
from directory_service.adapters.search_tokens import SearchTokenRefused, SearchTokens
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.token_grant import AccessRefused, TokenAuthority
from tests.directory_service.bench import ERIKA, KEYS, PROFILE, SOMMER, Directory

ACCOUNT = f"practice-{SOMMER[2:]}:messenger.example"
Parameters = list[tuple[str, str]]


async def get(directory: Directory, token: str | None, url: str) -> tuple[int, dict[str, Any]]:
    """One GET of a patient's client."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with directory.http.get(url, headers=headers) as answer:
        assert answer.content_type == "application/fhir+json"
        return answer.status, await answer.json(content_type=None)


async def search(directory: Directory, parameters: Parameters) -> tuple[int, dict[str, Any]]:
    """A search with a good token."""
    token = await directory.search_token()
    return await get(directory, token, f"{directory.url}/fdv/search/HealthcareService?{urlencode(parameters)}")


def resources(bundle: dict[str, Any], mode: str) -> list[dict[str, Any]]:
    """The resources of a bundle that matched or were included."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


async def test_a_patient_finds_a_practice_with_all_that_belongs_to_it(directory: Directory) -> None:
    await directory.practice_joins()
    asked = [("organization.active", "true"), ("_text", "hausarzt hamburg"), ("_include", "*")]
    status, bundle = await search(directory, asked)
    assert (status, bundle["resourceType"], bundle["type"], bundle["total"]) == (200, "Bundle", "searchset", 1)
    (service,) = resources(bundle, "match")
    included = {resource["resourceType"]: resource for resource in resources(bundle, "include")}
    assert set(included) == {"Organization", "Location", "Endpoint"}
    assert service["name"] == PROFILE["name"]
    assert service["identifier"] == [{"system": "https://gematik.de/fhir/sid/telematik-id", "value": SOMMER}]
    assert service["type"][0]["coding"][0]["code"] == "ALLG"
    assert included["Organization"]["active"] is True
    assert included["Location"]["address"]["text"] == "Lange Reihe 1, 20099 Hamburg"
    endpoint = included["Endpoint"]
    assert (endpoint["status"], endpoint["connectionType"]["code"]) == ("active", "tim")
    assert endpoint["payloadType"][0]["coding"][0]["code"] == "tim-chat"
    assert endpoint["address"] == f"matrix:u/{ACCOUNT}"


async def test_each_reference_leads_to_an_entry_and_each_resource_names_its_origin(directory: Directory) -> None:
    await directory.practice_joins()
    _, bundle = await search(directory, [("_include", "*")])
    addresses = {entry["fullUrl"].removeprefix(f"{directory.url}/fdv/search/") for entry in bundle["entry"]}
    (service,) = resources(bundle, "match")
    references = [service["providedBy"], *service["location"], *service["endpoint"]]
    assert {reference["reference"] for reference in references} <= addresses
    for entry in bundle["entry"]:
        origin = {"system": "https://gematik.de/fhir/directory/CodeSystem/Origin", "code": "owner"}
        assert origin in entry["resource"]["meta"]["tag"]


INCLUDES: list[tuple[str, str]] = [("organization", "Organization"), ("location", "Location"), ("endpoint", "Endpoint")]


async def test_only_what_was_asked_for_is_included(directory: Directory) -> None:
    await directory.practice_joins()
    for include, kind in INCLUDES:
        _, bundle = await search(directory, [("_include", f"HealthcareService:{include}")])
        assert [resource["resourceType"] for resource in resources(bundle, "include")] == [kind]


FILTERS: list[tuple[Parameters, bool]] = [
    ([("location.address-city", "hamb")], True),
    ([("location.address-city", "burg")], False),
    ([("location.address-postalcode", "200")], True),
    ([("location.address-postalcode", "300,200")], True),
    ([("specialty", "ALLG")], True),
    ([("specialty", "urn:oid:1.3.6.1.4.1.19376.3.276.1.5.4|ALLG")], True),
    ([("specialty", "KARD")], False),
    ([("_text", "sommer"), ("specialty", "KARD")], False),
]


async def test_filters_are_hard(directory: Directory) -> None:
    await directory.practice_joins()
    for parameters, found in FILTERS:
        status, bundle = await search(directory, parameters)
        assert (status, bundle["total"], len(bundle.get("entry", []))) == (200, int(found), int(found)), parameters


@pytest.mark.parametrize("opts_in", [True, False])
async def test_only_who_opted_in_is_found(directory: Directory, opts_in: bool) -> None:
    await directory.practice_joins(opts_in=opts_in)
    _, bundle = await search(directory, [("_text", "sommer")])
    assert ("entry" in bundle, bundle["total"]) == (opts_in, int(opts_in))


async def test_next_links_lead_through_all_pages_and_the_last_has_none(directory: Directory) -> None:
    ids = [f"1-200{number}" for number in range(5)]
    for telematik_id in ids:
        await directory.practice_joins(telematik_id)
    token = await directory.search_token()
    url: str | None = f"{directory.url}/fdv/search/HealthcareService?_text=haus%C3%A4rztlich&_count=2"
    seen: list[str] = []
    while url:
        status, bundle = await get(directory, token, url)
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert (status, bundle["total"], links["self"].startswith(directory.url)) == (200, 5, True)
        seen += [service["identifier"][0]["value"] for service in resources(bundle, "match")]
        url = links.get("next")
    assert sorted(seen) == ids


NOT_UNDERSTOOD: list[tuple[str, str]] = [
    ("location.near", "53.5|10.0|500|km"),
    ("location.near", "53.5"),
    ("_sort", "name"),
    ("_count", "-1"),
    ("_include", "Everything"),
    ("_include", "HealthcareService:photo"),
    ("_summary", "text"),
    ("_format", "xml"),
    ("_query", "everything"),
    ("organization.colour", "red"),
    ("organization:Location.name", "x"),
    ("name:sounds", "x"),
    ("_has:HealthcareService:endpoint:name", "x"),
    ("_text", " "),
    ("_after", "x"),
    ("_text", "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7"),
]


async def test_what_is_not_understood_is_named_in_an_operation_outcome(directory: Directory) -> None:
    for name, value in NOT_UNDERSTOOD:
        status, outcome = await search(directory, [(name, value)])
        assert (status, outcome["resourceType"]) == (400, "OperationOutcome"), name
        (issue,) = outcome["issue"]
        assert (issue["severity"], issue["code"]) == ("error", "invalid"), name
        assert name in issue["diagnostics"] or name in {"_after", "_format", "_query"}
        assert len(value) < 2 or value not in issue["diagnostics"]


def token_of(directory: Directory, now: datetime, *, stranger: bool = False, address: str | None = None) -> str:
    """A search token made elsewhere or at another time."""
    key = KEYS.stranger if stranger else KEYS.signing
    return SearchTokens(address or directory.url, key).issue(ERIKA, "insured", now)


async def test_without_a_good_search_token_nothing_is_shown(directory: Directory) -> None:
    await directory.practice_joins()
    now = datetime.now(UTC)
    async with directory.client("homeserver", KEYS.homeserver) as client:
        await client.answer("GET", "/reachable", scope="reachability:read")
        access_token = await client.access_token("reachability:read")
    bad = [
        None,
        "x",
        token_of(directory, now - timedelta(hours=25)),
        token_of(directory, now, stranger=True),
        token_of(directory, now, address="https://elsewhere.example"),
        access_token,
    ]
    for token in bad:
        status, outcome = await get(directory, token, f"{directory.url}/fdv/search/HealthcareService")
        assert (status, outcome["issue"][0]["code"]) == (401, "login")
    status, _ = await get(directory, token_of(directory, now), f"{directory.url}/fdv/search/HealthcareService")
    assert status == 200


async def test_a_search_token_opens_nothing_but_the_search(directory: Directory) -> None:
    headers = {"Authorization": f"Bearer {await directory.search_token()}"}
    for path in ("/owner/practice", "/reachable"):
        async with directory.http.get(directory.url + path, headers=headers) as answer:
            assert answer.status == 401


async def test_a_specialty_with_characters_that_a_database_refuses_is_a_fault_of_the_caller(
    directory: Directory,
) -> None:
    status, outcome = await search(directory, [("specialty", "\x00")])
    assert (status, outcome["resourceType"]) == (400, "OperationOutcome")
    assert "specialty" in json.dumps(outcome)


async def test_an_access_token_is_no_search_token_and_the_reverse(directory: Directory) -> None:
    """One key signs both; even with the other's issuer and audience the type tells them apart."""
    now = datetime.now(UTC)
    tokens = SearchTokens(directory.url, KEYS.signing)
    issued = int(now.timestamp())
    claims: dict[str, object] = {"sub": ERIKA, "iat": issued, "exp": issued + 60, "jti": "x", "scope": PRACTICE_SCOPE}
    for_search = claims | {"iss": f"{directory.url}/tim-authenticate", "aud": f"{directory.url}/fdv/search"}
    for_access = claims | {"iss": directory.url, "aud": directory.url}

    def bearer(claims: dict[str, object], token_type: str) -> str:
        return f"Bearer {sign_statement(KEYS.signing, claims, token_type=token_type)}"

    authority = TokenAuthority(directory.url, f"{directory.url}/oauth2/token", KEYS.signing)
    tokens.check(bearer(for_search, "search+jwt"), "insured", now)
    assert authority.check_access(bearer(for_access, "at+jwt"), PRACTICE_SCOPE, now).client_id == ERIKA
    for token_type in ("at+jwt", "JWT", "reachable+jwt"):
        with pytest.raises(SearchTokenRefused):
            tokens.check(bearer(for_search, token_type), "insured", now)
    with pytest.raises(AccessRefused):
        authority.check_access(bearer(for_access, "search+jwt"), PRACTICE_SCOPE, now)
