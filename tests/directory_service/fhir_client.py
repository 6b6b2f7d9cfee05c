"""A patient's or practice's client of the FHIR interface, for tests."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from yarl import URL

from directory_service.search.fhir.capability import MEDIA_TYPE
from tests.directory_service.bench import Directory

FORM = "application/x-www-form-urlencoded"
Parameters = list[tuple[str, str]]


class Client:
    """A patient's or practice's client with its search token."""

    def __init__(self, directory: Directory, token: str, path: str = "/fdv/search") -> None:
        self.base = directory.url + path
        self.http = directory.http
        self.headers = {"Authorization": f"Bearer {token}"}

    async def call(
        self, method: str, path: str, parameters: Parameters | str = "", *, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, Any], Mapping[str, str]]:
        """Status, body and headers of an answer, which is FHIR whatever happened."""
        query = parameters if isinstance(parameters, str) else urlencode(parameters)
        url = URL(f"{self.base}/{path}?{query}".rstrip("?"), encoded=True)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.request(method, url, data=body, headers=self.headers | named) as answer:
            assert answer.content_type == MEDIA_TYPE
            told = {} if method == "HEAD" else await answer.json(content_type=None)
            return answer.status, told, answer.headers

    async def search(self, kind: str, *parameters: tuple[str, str]) -> dict[str, Any]:
        """The bundle of a search that is understood."""
        status, bundle, _ = await self.call("GET", kind, list(parameters))
        assert status == 200, bundle
        return bundle


def of_mode(bundle: dict[str, Any], mode: str) -> list[dict[str, Any]]:
    """The resources that matched, were included, or are about the search."""
    return [entry["resource"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def kinds(bundle: dict[str, Any], mode: str) -> list[str]:
    """Their kinds."""
    return sorted(resource["resourceType"] for resource in of_mode(bundle, mode))
