"""Below a FHIR address every refusal is an OperationOutcome, whoever refused; elsewhere none is."""

import pytest

from directory_service.rules.fhir import listing
from directory_service.rules.fhir.listing import Audience
from directory_service.search.fhir.capability import MEDIA_TYPE
from tests.directory_service.adapters.test_any_request import owner_token
from tests.directory_service.bench import Directory
from tests.directory_service.fhir_client import FORM

REFUSED: list[tuple[str, str, dict[str, str], int, str]] = [
    ("GET", "/fdv/search", {}, 404, "not-found"),
    ("GET", "/fdv/search/", {}, 404, "not-found"),
    ("GET", "/search/Endpoint/x/_history", {}, 404, "not-found"),
    ("PUT", "/metadata", {}, 405, "not-supported"),
    ("GET", "/metadata", {"Accept": "application/fhir+xml"}, 406, "not-supported"),
    ("GET", "/fdv/search/Location", {"Accept": "text/html, application/fhir+json;q=0"}, 406, "not-supported"),
    ("GET", "/fdv/search/Location", {}, 401, "login"),
    ("GET", "/owner/Patient/x", {}, 404, "not-found"),
    ("DELETE", "/owner/Location/x", {}, 405, "not-supported"),
    ("GET", "/owner/Location", {"Accept": "text/turtle"}, 406, "not-supported"),
    ("POST", "/owner/Endpoint", {"Content-Type": "application/fhir+xml"}, 415, "not-supported"),
    ("POST", "/owner/Endpoint", {"Content-Type": FORM}, 415, "not-supported"),
    ("POST", "/owner/Endpoint", {"Authorization": "Bearer x"}, 401, "login"),
    ("GET", f"/fdv/search/Location?name={'a' * 8190}", {}, 414, "too-long"),
    ("GET", f"/owner/Location?name={'a' * 8190}", {}, 414, "too-long"),
]


async def test_a_refusal_is_an_operation_outcome(directory: Directory) -> None:
    bearer = {"Authorization": f"Bearer {await owner_token(directory, await directory.practice_joins())}"}
    for method, path, headers, status, code in REFUSED:
        async with directory.http.request(method, directory.url + path, headers=bearer | headers) as answer:
            assert (answer.status, answer.content_type) == (status, MEDIA_TYPE), (method, path)
            outcome = await answer.json(content_type=None)
            assert (outcome["resourceType"], outcome["issue"][0]["code"]) == ("OperationOutcome", code), (method, path)
            assert ("Allow" in answer.headers) is (status == 405)
            assert ("WWW-Authenticate" in answer.headers) is (status == 401)


async def test_json_is_answered_to_who_takes_it(directory: Directory) -> None:
    for accept in ("*/*", "text/html, */*;q=0.8", "application/json", "Application/FHIR+JSON; fhirVersion=4.0", ""):
        async with directory.http.get(f"{directory.url}/metadata", headers={"Accept": accept}) as answer:
            assert answer.status == 200, accept


async def test_the_format_in_the_address_counts_more_than_the_header(directory: Directory) -> None:
    headers = {"Authorization": f"Bearer {await directory.search_token()}", "Accept": "application/xml"}
    async with directory.http.get(f"{directory.url}/fdv/search/Location?_format=json", headers=headers) as answer:
        assert answer.status == 200


async def test_a_fault_of_the_directory_is_told_in_fhir_without_its_text(
    directory: Directory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_self: object, _audience: Audience, resource_id: str) -> None:
        raise RuntimeError(resource_id)

    headers = {"Authorization": f"Bearer {await directory.search_token()}"}
    monkeypatch.setattr(listing.Listing, "seen_by", fails)
    async with directory.http.get(f"{directory.url}/fdv/search/Location/onkologie", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (500, MEDIA_TYPE)
        assert (await answer.json(content_type=None))["issue"][0]["code"] == "exception"
    assert "RuntimeError" in caplog.text
    assert "onkologie" not in caplog.text


async def test_an_address_may_have_the_usual_length_and_no_more(directory: Directory) -> None:
    headers = {"Authorization": f"Bearer {await directory.search_token()}", "Prefer": "handling=lenient"}
    path = "/fdv/search/Location?x="
    for length, status in ((8190, 200), (8191, 414)):
        async with directory.http.get(directory.url + path.ljust(length, "a"), headers=headers) as answer:
            assert answer.status == status, length


async def test_elsewhere_a_refusal_is_a_problem(directory: Directory) -> None:
    for path in ("/searching", "/owner/practices", "/fdv", "/owner"):
        async with directory.http.get(directory.url + path) as answer:
            assert (answer.status, answer.content_type) == (404, "application/problem+json"), path
