"""Somebody at the pages without a browser: keeps cookies, follows redirects, reads forms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import urljoin

import aiohttp

from tests.directory_service.bench import Directory

_FIELD = re.compile(r'<input type="hidden" name="(csrf|etag)" value="([^"]*)"')


class Visitor:
    """One browser's cookies; a page is its status and its text."""

    def __init__(self, directory: Directory) -> None:
        self.directory = directory
        self.cookies: dict[str, str] = {}
        self.headers: Mapping[str, str] = {}
        self.hidden: dict[str, str] = {}

    async def open(
        self, method: str, path: str, form: Mapping[str, str] | None = None, **headers: str
    ) -> tuple[int, str]:
        """Where it ends; cookies are carried by hand, since libraries drop Secure ones over plain http."""
        address = urljoin(self.directory.url, path)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        for _ in range(6):
            carried = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
            async with aiohttp.request(
                method, address, data=form, headers=named | carried, allow_redirects=False
            ) as answer:
                for name, morsel in answer.cookies.items():
                    self.cookies[name] = morsel.value
                    if not morsel.value:
                        del self.cookies[name]
                text, self.headers = await answer.text(), answer.headers
                if answer.status not in {302, 303}:
                    self.hidden |= {name: unescape(value) for name, value in _FIELD.findall(text)}
                    return answer.status, text
                method, form, address = "GET", None, urljoin(address, answer.headers["Location"])
        raise AssertionError("it leads from one address to the next without an end")

    async def search(self, **form: str) -> tuple[int, str]:
        """Sends the search form."""
        return await self.open("POST", "/praxissuche", {"csrf": self.hidden.get("csrf", ""), **form})

    async def found(self, **form: str) -> list[str]:
        """The names on the first page of what is found."""
        status, text = await self.search(**form)
        assert status == 200, text
        return [unescape(name) for name in re.findall(r"<h3>(.*?)</h3>", text)]


async def patient(directory: Directory) -> Visitor:
    """Somebody who has signed in to the search."""
    visitor = Visitor(directory)
    status, _ = await visitor.open("GET", "/praxissuche/anmelden")
    assert status == 200
    return visitor
