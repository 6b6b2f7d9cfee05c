"""A real directory on a loopback port, a homeserver stand-in that follows the contract, and practices' software."""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from joserfc.jwk import ECKey
from yarl import URL

from directory_service.settings import DirectorySettings
from messenger_core.http_service import GuardedRoutes, new_application
from messenger_core.problem import Problem
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import generate_private_key, parse_jwks, public_jwks, write_private_key
from messenger_core.service_auth.token_grant import Caller, Client, TokenAuthority

VERIFIER = "https://nachweis.example"
SERVER_NAME = "messenger.example"
ERIKA = f"@erika:{SERVER_NAME}"
SOMMER = "1-20014200101"
WINTER = "1-20014200102"
PROFILE = {
    "name": "Hausarztpraxis Dr. Sommer",
    "specialties": ["ALLG"],
    "address": {"line": "Lange Reihe 1", "postcode": "20099", "city": "Hamburg"},
}


def messenger(
    user_id: str, kind: str = "tim", *, active: bool = True, hide_from_insured: bool = False
) -> dict[str, Any]:
    """A messenger address with every field written out."""
    return {"user_id": user_id, "kind": kind, "active": active, "hide_from_insured": hide_from_insured, "linked": True}


FULL_PROFILE = {
    "name": "Praxis Dr. Sommer & Kollegen",
    "specialties": ["ALLG", "INNE"],
    "address": {
        "line": "Lange Reihe 1",
        "postcode": "20099",
        "city": "Hamburg",
        "position": {"latitude": 53.557, "longitude": 10.011},
    },
    "languages": ["de", "uk", "sr-Latn"],
    "accessibility": [
        {"feature": "barrierefrei", "grade": "partly", "note": "Rampe am Hof, bitte klingeln"},
        {"feature": "parkmoeglichkeit", "grade": "none", "note": ""},
    ],
    "opening_hours": {
        "weekly": {
            "mon": [{"opens": "08:00", "closes": "12:00"}, {"opens": "14:00", "closes": "18:30"}],
            "tue": [{"opens": "08:00", "closes": "12:00"}],
            "wed": [],
            "thu": [],
            "fri": [{"opens": "00:00", "closes": "24:00"}],
            "sat": [],
            "sun": [],
        },
        "special": [
            {"day": "2026-12-24", "blocks": [], "reason": "sonderoeffnung", "note": "Heiligabend"},
            {
                "day": "2026-12-27",
                "blocks": [{"opens": "10:00", "closes": "13:00"}],
                "reason": "notdienst",
                "note": "",
            },
        ],
    },
    "absence": {
        "first_day": "2026-12-28",
        "last_day": "2027-01-03",
        "substitute": {"text": "Praxis Dr. Winter, Lange Reihe 9", "telephone": "040 123456"},
    },
    "messengers": [
        messenger(f"@practice-{SOMMER[2:]}:{SERVER_NAME}"),
        messenger("@termine:praxis-sommer.example", "tim-bot"),
        messenger("@empfang:praxis-sommer.example", "tim-fa", active=False),
    ],
    "hide_from_insured": False,
}
CONSENT = {"visible_to_insured": True, "consent_text": "2026-11"}
PAUSE = {"visible_to_insured": False, "consent_text": "2026-11"}


@dataclass
class Keys:
    """Every key of the bench, made once a test run."""

    signing: ECKey = field(default_factory=generate_private_key)
    directory: ECKey = field(default_factory=generate_private_key)
    homeserver: ECKey = field(default_factory=generate_private_key)
    verifier: ECKey = field(default_factory=generate_private_key)
    stranger: ECKey = field(default_factory=generate_private_key)


KEYS = Keys()


class NoReplays:
    """A homeserver's replay store that a test does not look at."""

    async def use_once(self, issuer: str, statement_id: str, expires_at: int, now: datetime) -> bool:
        return True


class DirectoryOnly:
    """The homeserver knows the directory as its client."""

    async def find_client(self, client_id: str) -> Client | None:
        keys = parse_jwks(public_jwks(KEYS.directory))
        return (
            Client("directory", keys, frozenset({"practice:provision", "account:events"}))
            if client_id == "directory"
            else None
        )


@dataclass
class HomeserverStandIn:
    """What the directory sees of a homeserver.

    Attributes:
        down: whether it fails every call.
        before_taking: what happens once before the next provision is taken.
        before_answering: what happens once after the next provision is taken.
        accounts: what was provisioned, by Telematik-ID.
        user_ids: user ids that it gives instead of its own, by Telematik-ID.
        openid: whose each OpenID token is.
        changes: of accounts: user id, and what happened.
        kinds: of accounts that are not of insured people.
        visitor: who signs in at its single sign-on.
        devices: access tokens that were given there and not taken back.
    """

    url: str
    down: bool = False
    before_taking: Callable[[], Awaitable[object]] | None = None
    before_answering: Callable[[], Awaitable[object]] | None = None
    accounts: dict[str, dict[str, Any]] = field(default_factory=dict)
    user_ids: dict[str, str] = field(default_factory=dict)
    openid: dict[str, str] = field(default_factory=dict)
    changes: list[tuple[str, str]] = field(default_factory=list)
    kinds: dict[str, str] = field(default_factory=dict)
    visitor: str = ERIKA
    devices: dict[str, str] = field(default_factory=dict)
    _login_tokens: dict[str, str] = field(default_factory=dict)

    def application(self) -> web.Application:
        app, module = new_application(), new_application()
        authority = TokenAuthority(self.url, f"{self.url}/_synapse/client/hek/oauth2/token", KEYS.signing)
        routes = GuardedRoutes(module, authority, DirectoryOnly(), NoReplays())
        routes.add("PUT", "/v1/practices", "practice:provision", self._provision)
        routes.add("GET", "/v1/changes", "account:events", self._changes)
        app.add_subapp("/_synapse/client/hek", module)
        app.router.add_get("/_matrix/federation/v1/openid/userinfo", self._userinfo)
        client = "/_matrix/client/v3"
        app.router.add_get(f"{client}/login/sso/redirect/oidc-gesundheitsid", self._sso)
        app.router.add_post(f"{client}/login", self._login)
        app.router.add_post(f"{client}/user/{{user_id}}/openid/request_token", self._openid_token)
        app.router.add_post(f"{client}/logout", self._logout)
        return app

    async def _sso(self, request: web.Request) -> web.Response:
        token = secrets.token_urlsafe(16)
        self._login_tokens[token] = self.visitor
        raise web.HTTPFound(URL(request.query["redirectUrl"]).update_query(loginToken=token))

    async def _login(self, request: web.Request) -> web.Response:
        asked = await request.json()
        user_id = self._login_tokens.pop(asked["token"], None)
        if user_id is None or asked["type"] != "m.login.token":
            return web.json_response({"errcode": "M_FORBIDDEN"}, status=403)
        token = secrets.token_urlsafe(16)
        self.devices[token] = user_id
        return web.json_response({"user_id": user_id, "access_token": token, "device_id": "D"})

    def _device(self, request: web.Request) -> str:
        token = request.headers["Authorization"].removeprefix("Bearer ")
        if token not in self.devices:
            raise web.HTTPUnauthorized
        return token

    async def _openid_token(self, request: web.Request) -> web.Response:
        owner = self.devices[self._device(request)]
        if request.match_info["user_id"] != owner:
            raise web.HTTPForbidden
        token = secrets.token_urlsafe(16)
        self.openid[token] = owner
        return web.json_response({"access_token": token, "token_type": "Bearer", "expires_in": 3600})

    async def _logout(self, request: web.Request) -> web.Response:
        del self.devices[self._device(request)]
        return web.json_response({})

    async def _provision(self, request: web.Request, _caller: Caller) -> web.Response:
        if self.down:
            raise Problem(503, "unavailable", "down for a test")
        asked = await request.json()
        if self.before_taking is not None:
            happening, self.before_taking = self.before_taking, None
            await happening()
        assert set(asked) == {"telematik_id", "display_name", "jwks", "active"}
        parse_jwks(asked["jwks"])
        telematik_id = asked["telematik_id"]
        self.accounts[telematik_id] = asked
        if self.before_answering is not None:
            happening, self.before_answering = self.before_answering, None
            await happening()
        user_id = self.user_ids.get(telematik_id, f"@practice-{telematik_id[2:]}:{SERVER_NAME}")
        return web.json_response({"user_id": user_id})

    async def _changes(self, request: web.Request, _caller: Caller) -> web.Response:
        if self.down:
            raise Problem(503, "unavailable", "down for a test")
        since, deadline = int(request.query["since"]), time.monotonic() + int(request.query["wait"])
        while len(self.changes) <= since and time.monotonic() < deadline and not self.down:  # noqa: ASYNC110 - a stand-in
            await asyncio.sleep(0.02)
        told = [
            {"version": version, "at": 0, "user_id": user_id, "kind": self.kinds.get(user_id, "insured"), "what": what}
            for version, (user_id, what) in enumerate(self.changes[since:], since + 1)
        ]
        return web.json_response({"changes": told, "next": since + len(told)})

    async def _userinfo(self, request: web.Request) -> web.Response:
        if self.down:
            return web.json_response({"errcode": "M_UNKNOWN"}, status=502)
        owner = self.openid.get(request.query["access_token"])
        if owner is None:
            return web.json_response({"errcode": "M_UNKNOWN_TOKEN"}, status=401)
        return web.json_response({"sub": owner})


def settings_for(folder: Path, *, url: str, homeserver: str, database: str) -> dict[str, Any]:
    """Settings as an operator writes them, with the bench's keys as files."""
    files: dict[str, str] = {}
    for name in ("signing", "directory"):
        path = folder / f"{name}.jwk"
        if not path.exists():
            write_private_key(getattr(KEYS, name), path)
        files[name] = str(path)
    for name in ("homeserver", "verifier"):
        path = folder / f"{name}.jwks.json"
        path.write_text(json.dumps(public_jwks(getattr(KEYS, name))), encoding="utf-8")
        files[name] = str(path)
    return {
        "listen": {"host": "127.0.0.1", "port": int(url.rpartition(":")[2])},
        "public_url": url,
        "database": database,
        "signing_key_file": files["signing"],
        "homeserver": {"url": homeserver, "client_id": "directory", "key_file": files["directory"]},
        "homeserver_clients": [
            {
                "client_id": "homeserver",
                "jwks_file": files["homeserver"],
                "scopes": ["reachability:read", "directory:search", "practice:sign-in"],
            }
        ],
        "ownership_verifiers": [{"issuer": VERIFIER, "jwks_file": files["verifier"]}],
        "server_names": {SERVER_NAME: homeserver},
        "pages": {"sign_in_provider": "oidc-gesundheitsid"},
        "opt_out_model": False,
        "reserved_names": ["HEK", "Hanseatische Krankenkasse"],
        "allowed_names": [],
        "rate_limits": {},
        "import_limits": {},
        "internal_listen": None,
        "internal_url": None,
    }


@dataclass
class Directory:
    """The directory under test, as its callers reach it."""

    settings: DirectorySettings
    homeserver: HomeserverStandIn
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        return self.settings.public_url

    def statement(self, telematik_id: str, key: ECKey, *, signed_by: ECKey = KEYS.verifier, **other: object) -> str:
        """A verifier's statement; ``other`` replaces claims, and ``None`` leaves one out."""
        issued = int(datetime.now(UTC).timestamp())
        claims: dict[str, object] = {
            "iss": VERIFIER,
            "aud": self.url,
            "sub": telematik_id,
            "cnf": {"jkt": key.thumbprint()},
            "jti": secrets.token_urlsafe(16),
            "iat": issued,
            "exp": issued + int(timedelta(minutes=5).total_seconds()),
        }
        claims |= other
        return sign_statement(signed_by, {name: value for name, value in claims.items() if value is not None})

    async def register(
        self, statement: str, key: ECKey, name: object = "Praxis Dr. Sommer", **other: Any
    ) -> tuple[int, Any]:
        """Sends a registration; ``other`` replaces fields of the body."""
        body = {"client_name": name, "jwks": public_jwks(key), "software_statement": statement} | other
        async with self.http.post(f"{self.url}/oauth2/register", json=body) as answer:
            return answer.status, await answer.json(content_type=None)

    def client(self, client_id: str, key: ECKey) -> ServiceClient:
        """A caller with its key."""
        return ServiceClient(client_id=client_id, key=key, base_url=self.url, token_endpoint=f"{self.url}/oauth2/token")

    async def as_practice(
        self,
        key: ECKey,
        method: str,
        path: str,
        body: object | None = None,
        telematik_id: str = SOMMER,
        *,
        if_match: str | None = "*",
    ) -> tuple[int, Any]:
        """A call of a practice's software."""
        headers = {"If-Match": if_match} if if_match is not None else None
        async with self.client(telematik_id, key) as client:
            return await client.answer(method, path, scope="practice:write", body=body, headers=headers)

    async def as_homeserver(self, method: str, path: str, scope: str, body: object | None = None) -> tuple[int, Any]:
        """A call of the homeserver."""
        async with self.client("homeserver", KEYS.homeserver) as client:
            return await client.answer(method, path, scope=scope, body=body)

    async def practice_joins(
        self, telematik_id: str = SOMMER, *, profile: dict[str, Any] | None = PROFILE, opts_in: bool = True
    ) -> ECKey:
        """A practice that joined, wrote a profile and opted in, with its key."""
        key = generate_private_key()
        status, answer = await self.register(self.statement(telematik_id, key), key)
        assert status == 201, answer
        steps: list[tuple[str, object]] = [("/owner/practice", profile)] if profile else []
        for path, body in [*steps, *([("/owner/visibility", CONSENT)] if opts_in else [])]:
            status, answer = await self.as_practice(key, "PUT", path, body, telematik_id)
            assert status == 200, answer
        return key

    async def found(self, term: str, limit: int = 50) -> list[str]:
        """The display names that the client's own search box shows."""
        status, answer = await self.as_homeserver(
            "POST", "/people-search", "directory:search", {"term": term, "limit": limit}
        )
        assert status == 200, answer
        return [result["display_name"] for result in answer["results"]]

    async def search_token(self, user_id: str = ERIKA) -> str:
        """A search token for a person whom the homeserver confirms."""
        self.homeserver.openid["openid-of-user"] = user_id
        status, answer = await self.authenticate(user_id, "openid-of-user")
        assert status == 200, answer
        return str(answer["access_token"])

    async def authenticate(self, user_id: str | None, openid_token: str | None) -> tuple[int, Any]:
        """Asks for a search token."""
        headers = {"X-Matrix-OpenID-Token": openid_token} if openid_token else {}
        query = {"mxId": user_id} if user_id else {}
        async with self.http.get(f"{self.url}/tim-authenticate", params=query, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)
