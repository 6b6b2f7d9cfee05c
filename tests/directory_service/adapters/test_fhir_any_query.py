"""Whatever a client sends to the FHIR interface, it gets an answer in FHIR and never a 500."""

from urllib.parse import urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from directory_service.rules.fhir.items import KINDS
from tests.directory_service.bench import FULL_PROFILE, Directory
from tests.directory_service.fhir_client import FORM, Client, Parameters

NAMES = st.sampled_from(
    [
        "_text",
        "_content",
        "_complexSearch",
        "_count",
        "_summary",
        "_total",
        "_format",
        "_include",
        "_include:iterate",
        "_revinclude",
        "_after",
        "_query",
        "_id",
        "_tag",
        "_has:HealthcareService:organization:specialty",
        "name",
        "name:exact",
        "name:contains",
        "name:missing",
        "specialty",
        "specialty:not",
        "specialty:text",
        "organization",
        "organization:identifier",
        "organization.active",
        "identifier",
        "location.near",
        "near",
        "location.address-city",
        "location.address-postalcode",
        "endpoint.status",
        "endpoint.address",
        "latitude",
        "longitude",
        "distance",
        "text",
        "location",
        "isOpenInMinutes",
        "characteristics",
        "organization.type",
    ]
)
PIECES = st.sampled_from(
    [
        "near",
        "nearPharmacy",
        "true",
        "count",
        "sommer",
        "Hamburg",
        "ALLG",
        "53.5|10",
        "53.5",
        "*",
        "HealthcareService:*",
        "HealthcareService:organization",
        "a\\",
        "\\,",
        ",",
        "|",
        '"',
        "-",
        "0",
        "%",
        "%00",
        "%ff",
        "%ed%a0%80",
        "WzAsMCwiIiwiIl0",
        "W10",
        "bnVsbA",
        "ß",
        "\u2028",
        "👩",
        "",
    ]
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=30)
VALUES = st.lists(PIECES | TEXTS, max_size=4).map("".join) | st.just("1" * 3000)
UNDERSTOOD = st.sampled_from(
    [
        ("_text", "sommer hamburg"),
        ("specialty", "ALLG"),
        ("_include", "*"),
        ("location.near", "53.5|10|50|km"),
        ("_count", "1"),
        ("_complexSearch", "true"),
        ("endpoint.status", "active"),
    ]
)
NEAR = st.permutations([("_query", "near"), ("latitude", "53.5"), ("longitude", "10"), ("distance", "50")])
QUERIES = st.tuples(
    st.lists(UNDERSTOOD, max_size=3) | NEAR, st.lists(st.tuples(NAMES | TEXTS, VALUES), max_size=2)
).map(lambda parts: [*parts[0], *parts[1]])


@pytest.fixture
async def patient(directory: Directory) -> Client:
    """A patient's client of a directory with one practice."""
    await directory.practice_joins(profile=FULL_PROFILE)
    return Client(directory, await directory.search_token())


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(KINDS), asked=QUERIES, raw=st.booleans(), form=st.booleans(), lenient=st.booleans())
async def test_no_query_whatsoever_makes_the_directory_fail(
    patient: Client, kind: str, asked: Parameters, raw: bool, form: bool, lenient: bool
) -> None:
    query = urlencode(asked)
    if raw:  # percent signs as they were drawn: what they mean may be no UTF-8
        query = query.replace("%25", "%")
    prefer = "handling=lenient" if lenient else "handling=strict"
    if form:
        status, told, _ = await patient.call(
            "POST", f"{kind}/_search", body=query.encode(), Prefer=prefer, Content_Type=FORM
        )
    else:
        status, told, _ = await patient.call("GET", kind, query, Prefer=prefer)
    assert (status, told["resourceType"]) in {(200, "Bundle"), (400, "OperationOutcome")}


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.lists(st.sampled_from([*KINDS, "x", "_search", "metadata", ".."]) | TEXTS, min_size=1, max_size=2))
async def test_no_address_whatsoever_makes_the_directory_fail(patient: Client, path: list[str]) -> None:
    encoded = "/".join(urlencode({"": part})[1:] or "x" for part in path)
    url = URL(f"{patient.base}/{encoded}", encoded=True)
    async with patient.http.get(url, headers=patient.headers) as answer:
        assert answer.status in {200, 404, 405}
