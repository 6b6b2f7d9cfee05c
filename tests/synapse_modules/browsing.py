"""What a person's browser does at a sign-in: it follows addresses, keeps cookies and sends forms."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp

from messenger_core.homeserver_interface import LOGIN_PATH
from sandbox.own_addresses import from_own_address

_MOST_STEPS = 12


class Page(HTMLParser):
    """A page as it is read: its words, its links, and the terms that it asks to accept."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.links: list[str] = []
        self.terms = ""
        """The version of the terms that the page asks to accept."""
        self.hidden: dict[str, str] = {}
        """What its forms carry beside what is filled in."""
        self.feed(html)

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if attributes.get("name") == "accepted_version":
            self.terms = attributes.get("value") or ""
        if attributes.get("type") == "hidden":
            self.hidden[attributes.get("name") or ""] = attributes.get("value") or ""
        if tag == "a":
            self.links.append(attributes.get("href") or "")

    def handle_data(self, data: str) -> None:
        self.words.extend(data.split())


@dataclass
class Browser:
    """Carries cookies by hand: libraries drop those marked Secure over plain http."""

    stops_at: str
    """The address of the client, where the way ends."""
    cookies: dict[str, str] = field(default_factory=dict)
    name: str = field(default_factory=secrets.token_hex)
    """Whose address its requests come from."""
    tls: ssl.SSLContext | bool = True
    """Whom it trusts."""

    async def open(self, address: str, form: Mapping[str, str] | None = None) -> tuple[str, Page]:
        """Where it ended and what is to be read there."""
        jar, connector = aiohttp.DummyCookieJar(), from_own_address(self.name)
        async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as http:
            for _ in range(_MOST_STEPS):
                if address.startswith(self.stops_at):
                    return address, Page("")
                headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
                method = "POST" if form else "GET"
                async with http.request(
                    method, address, data=form, headers=headers, allow_redirects=False, ssl=self.tls
                ) as answer:
                    self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
                    if answer.status != 302:
                        return address, Page(await answer.text())
                    address, form = urljoin(address, answer.headers["Location"]), None
        raise AssertionError("the way has no end")

    async def log_in(self, homeserver: str, address: str) -> None:
        """Gives the login token in an address back for an access token."""
        body = {"type": "m.login.token", "token": parse_qs(urlsplit(address).query)["loginToken"][0]}
        async with (
            aiohttp.ClientSession(connector=from_own_address(self.name)) as http,
            http.post(f"{homeserver}{LOGIN_PATH}", json=body) as answer,
        ):
            answer.raise_for_status()
            await answer.read()
