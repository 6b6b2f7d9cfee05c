"""Signs people and agents in without a browser: ``m.login.sso`` and the identity provider's page, by HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Literal
from urllib.parse import parse_qs, urljoin, urlsplit

import aiohttp

from messenger_core.homeserver_interface import LOGIN_PATH
from sandbox.faults import SandboxFault
from sandbox.own_addresses import from_own_address
from sandbox.people import Agent, Person

# Where a client would wait for the browser to come back; nobody listens there, the address alone is read.
RETURN_ADDRESS = "http://localhost/signed-in"
_MOST_REDIRECTS = 8
_UNSEEN = frozenset({"head", "script", "style", "title"})


class SignInRefused(SandboxFault):
    """A sign-in was refused; the text is what the person reads."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A device that is signed in."""

    user_id: str
    access_token: str
    device_id: str


@dataclass(slots=True)
class _Form:
    action: str = ""
    hidden: dict[str, str] = field(default_factory=dict)
    present: bool = False


class _Page(HTMLParser):
    """Reads a page as a person would: its text, and its form."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.form = _Form()
        self.asks_consent = ""
        self._words: list[str] = []
        self._alert: list[str] = []
        self._alert_tag = ""
        self._unseen = 0
        self.feed(html)

    @property
    def text(self) -> str:
        """All that is to read; of a form that is shown again, what is wrong with it."""
        return " ".join(self._alert if self.form.present and self._alert else self._words)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        if attributes.get("role") == "alert":
            self._alert_tag = tag
        if tag in _UNSEEN:
            self._unseen += 1
        elif tag == "form" and not self.form.present:
            self.form = _Form(attributes.get("action", ""), {}, present=True)
        elif tag == "input" and attributes.get("name") == "accepted_version":
            self.asks_consent = attributes.get("value", "")
        elif tag == "input" and attributes.get("type") == "hidden":
            self.form.hidden[attributes.get("name", "")] = attributes.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag in _UNSEEN:
            self._unseen -= 1
        if tag == self._alert_tag:
            self._alert_tag = ""

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._words.extend(data.split())
        if self._alert_tag:
            self._alert.extend(data.split())


class _Browser:
    """Follows redirects and keeps cookies, also those marked Secure, which libraries drop over plain http."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self._cookies: dict[str, dict[str, str]] = {}

    async def open(self, method: str, address: str, form: Mapping[str, str] | None = None) -> tuple[str, int, str]:
        """Where it ended, with which status and page; ends early at the client's return address."""
        for _ in range(_MOST_REDIRECTS):
            host = urlsplit(address).netloc
            headers = {"Cookie": "; ".join(f"{k}={v}" for k, v in self._cookies.get(host, {}).items())}
            async with self._http.request(method, address, data=form, headers=headers, allow_redirects=False) as answer:
                for name, morsel in answer.cookies.items():
                    self._cookies.setdefault(host, {})[name] = morsel.value
                target = answer.headers.get("Location")
                if answer.status not in {301, 302, 303, 307} or target is None:
                    return address, answer.status, await answer.text()
            method, form, address = "GET", None, urljoin(address, target)
            if address.startswith(RETURN_ADDRESS):
                return address, 200, ""
        raise SignInRefused("the sign-in leads from one address to the next without an end")


async def _login_token(http: aiohttp.ClientSession, homeserver: str, provider: str, name: str, pin: str) -> str:
    browser = _Browser(http)
    start = f"{homeserver}/_matrix/client/v3/login/sso/redirect/{provider}"
    address, status, html = await browser.open("GET", f"{start}?redirectUrl={RETURN_ADDRESS}")
    page = _Page(html)
    if status == 200 and page.form.present:
        form = {**page.form.hidden, "person": name, "pin": pin, "do": "sign-in"}
        address, status, html = await browser.open("POST", urljoin(address, page.form.action), form)
    page = _Page(html)
    if status == 200 and page.asks_consent:
        consent = {"accepted_version": page.asks_consent}
        address, status, html = await browser.open("POST", urljoin(address, page.form.action), consent)
    if not address.startswith(RETURN_ADDRESS):
        raise SignInRefused(_Page(html).text or f"the sign-in ended with status {status}")
    return parse_qs(urlsplit(address).query)["loginToken"][0]


async def sign_in(
    homeserver: str, somebody: Person | Agent, device_id: str | None = None, *, pin: str | None = None
) -> SignedIn:
    """Signs a person (through GesundheitsID) or an agent (through the staff provider) in.

    Args:
        homeserver: its base address.
        somebody: who signs in.
        device_id: the device; None lets the homeserver choose one.
        pin: another PIN than the person's own, to see what happens.

    Raises:
        SignInRefused: with the text of the page that refuses it, or the homeserver's error.
    """
    provider: Literal["gesundheitsid", "staff"] = "gesundheitsid" if isinstance(somebody, Person) else "staff"
    # Cookies are carried by hand, see _Browser.
    jar, connector = aiohttp.DummyCookieJar(), from_own_address(somebody.name)
    async with aiohttp.ClientSession(cookie_jar=jar, connector=connector) as http:
        token = await _login_token(http, homeserver, f"oidc-{provider}", somebody.name, pin or somebody.pin)
        body = {"type": "m.login.token", "token": token} | ({"device_id": device_id} if device_id else {})
        async with http.post(homeserver + LOGIN_PATH, json=body) as answer:
            content = await answer.json(content_type=None)
            if answer.status != 200:
                raise SignInRefused(f"{content.get('errcode')}: {content.get('error')}")
    return SignedIn(content["user_id"], content["access_token"], content["device_id"])


async def sign_out(homeserver: str, signed_in: SignedIn) -> None:
    """Ends a device."""
    headers = {"Authorization": f"Bearer {signed_in.access_token}"}
    address = f"{homeserver}/_matrix/client/v3/logout"
    async with aiohttp.ClientSession() as http, http.post(address, json={}, headers=headers) as answer:
        answer.raise_for_status()


async def add_person(identity_provider: str, people_token: str, person: Person) -> None:
    """Makes a person known to the stand-in GesundheitsID."""
    headers = {"Authorization": f"Bearer {people_token}"}
    address = f"{identity_provider}/sandbox/people"
    async with aiohttp.ClientSession() as http, http.post(address, json=person.model_dump(), headers=headers) as answer:
        answer.raise_for_status()
