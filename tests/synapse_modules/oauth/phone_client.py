"""A client of Matrix's OAuth API, as small as one can be: what Element X sends, step by step."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp

from sandbox.own_addresses import from_own_address
from tests.synapse_modules.browsing import Browser, Page
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn

ELEMENT_X_ANDROID: dict[str, Any] = {
    "application_type": "native",
    "client_name": "Element",
    "client_uri": "https://element.io",
    "grant_types": ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
    "logo_uri": "https://element.io/mobile-icon.png",
    "policy_uri": "https://element.io/privacy",
    "redirect_uris": ["io.element.android:/"],
    "response_types": ["code"],
    "token_endpoint_auth_method": "none",
    "tos_uri": "https://element.io/acceptable-use-policy-terms",
}
_UNSTABLE = "urn:matrix:org.matrix.msc2967.client"


class RefusedError(Exception):
    """The client was answered with an error."""

    def __init__(self, error: str, status: int = 302) -> None:
        super().__init__(f"{status} {error}")
        self.error = error
        self.status = status


@dataclass
class PhoneClient:
    """One installation."""

    homeserver: Homeserver
    registration: dict[str, Any] = field(default_factory=lambda: dict(ELEMENT_X_ANDROID))
    device_id: str = field(default_factory=lambda: secrets.token_hex(5).upper())
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(48))
    state: str = field(default_factory=secrets.token_urlsafe)
    client_id: str = ""
    access_token: str = ""
    refresh_token: str = ""
    browser: Browser = field(default_factory=lambda: Browser(stops_at="io.element.android:"))

    @property
    def redirect_uri(self) -> str:
        return str(self.registration["redirect_uris"][0])

    @property
    def base(self) -> str:
        return f"{self.homeserver.base}/_synapse/client/sign_in"

    async def post(self, path: str, **how: Any) -> tuple[int, dict[str, Any]]:
        own = from_own_address(self.browser.name)
        async with aiohttp.ClientSession(connector=own) as http, http.post(self.base + path, **how) as answer:
            return answer.status, await answer.json()

    async def register(self) -> str:
        status, content = await self.post("/register", json=self.registration)
        if status != 201:
            raise RefusedError(content["error"], status)
        self.client_id = content["client_id"]
        return self.client_id

    def request(self, **changed: str | None) -> str:
        """The address of the authorisation request."""
        challenge = base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).rstrip(b"=").decode()
        asked: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": f"{_UNSTABLE}:api:* {_UNSTABLE}:device:{self.device_id}",
            "state": self.state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            "prompt": "consent",
        }
        given = {name: value for name, value in (asked | changed).items() if value is not None}
        return f"{self.base}/authorize?{urlencode(given)}"

    async def open_consent(
        self, said: dict[str, Any], *, provider: str = "gesundheitsid", **changed: str | None
    ) -> Page:
        """The page on which the person is asked.

        Raises:
            RefusedError: with the error that the client was told instead.
        """
        self.homeserver.provider.claims = said
        address, page = await self.browser.open(self.request(**changed))
        if address.startswith(self.browser.stops_at):
            raise RefusedError(self.read_answer(address)["error"])
        chosen = next((one for one in page.links if f"idp=oidc-{provider}" in one), None)
        if chosen is not None:
            address, page = await self.browser.open(f"{self.homeserver.base}/_synapse/client/{chosen}")
        if page.terms:
            address, page = await self.browser.open(address, {"accepted_version": page.terms})
        return page

    def read_answer(self, address: str) -> dict[str, str]:
        """What the client is told in its own address."""
        assert address.startswith(self.redirect_uri)
        parts = urlsplit(address)
        told = {name: values[0] for name, values in parse_qs(parts.query or parts.fragment).items()}
        assert told["state"] == self.state
        assert told["iss"] == f"{self.homeserver.base}/"
        return told

    async def get_code(self, said: dict[str, Any], *, provider: str = "gesundheitsid") -> str:
        page = await self.open_consent(said, provider=provider)
        go_on = next(one for one in page.links if "code=" in one)
        return self.read_answer(go_on)["code"]

    async def ask_tokens(self, code: str, /, **changed: str) -> tuple[int, dict[str, Any]]:
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": self.verifier,
        }
        return self._keep(*await self.post("/token", data=form | changed))

    async def refresh(self, **changed: str) -> tuple[int, dict[str, Any]]:
        form = {"grant_type": "refresh_token", "client_id": self.client_id, "refresh_token": self.refresh_token}
        return self._keep(*await self.post("/token", data=form | changed))

    async def revoke(self, token: str, **more: str) -> tuple[int, dict[str, Any]]:
        return await self.post("/revoke", data={"token": token} | more)

    def _keep(self, status: int, content: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if status == 200:
            self.access_token, self.refresh_token = content["access_token"], content["refresh_token"]
        return status, content

    async def sign_in(self, said: dict[str, Any], *, provider: str = "gesundheitsid") -> SignedIn:
        await self.register()
        status, content = await self.ask_tokens(await self.get_code(said, provider=provider))
        if status != 200:
            raise RefusedError(content["error"], status)
        return await self.who()

    async def who(self) -> SignedIn:
        status, content = await self.whoami()
        assert status == 200, content
        return SignedIn(content["user_id"], self.access_token, content["device_id"])

    async def whoami(self) -> tuple[int, dict[str, Any]]:
        return await self.homeserver.call(
            SignedIn("@phone", self.access_token, self.device_id), "GET", "/account/whoami"
        )

    def device_rows(self, user_id: str) -> int:
        return len(
            self.homeserver.rows("SELECT 1 FROM devices WHERE user_id = ? AND device_id = ?", user_id, self.device_id)
        )
