"""What is outside the homeserver, for its tests: an OpenID provider and a directory that follow their contracts."""

from __future__ import annotations

import asyncio
import secrets
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from joserfc.jwk import ECKey, KeySet

from messenger_core.http_service import GuardedRoutes, new_application
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from messenger_core.service_auth.token_grant import Caller, Client, TokenAuthority


@contextmanager
def serving(
    app: web.Application, port: int, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> Iterator[None]:
    """Serves an application on loopback, in a thread with a loop of its own."""
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app, shutdown_timeout=0.1)

    async def start() -> None:
        await runner.setup()
        await web.TCPSite(runner, host, port, ssl_context=tls).start()

    async def stop() -> None:
        await runner.cleanup()
        # A long poll whose caller is gone would go on for its whole wait.
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    try:
        yield
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


class OpenIdProvider:
    """Plain OpenID Connect: whoever comes is signed in at once, with the claims that the test has set."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.claims: dict[str, Any] = {}
        self.sign: Callable[[ECKey, dict[str, Any]], object] = sign_statement
        """Makes the ID token of its claims; a test may put a faulty one in its place."""
        self.refuses_code = False
        self._key = generate_private_key()
        self._codes: dict[str, tuple[str, str, dict[str, Any]]] = {}
        self.app = web.Application()
        for name in ("gesundheitsid", "staff"):
            self.app.router.add_get(f"/{name}/.well-known/openid-configuration", self._metadata)
            self.app.router.add_get(f"/{name}/authorize", self._authorize)
            self.app.router.add_post(f"/{name}/token", self._token)
            self.app.router.add_get(f"/{name}/jwks.json", self._jwks)

    def issuer(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    def _issuer_of(self, request: web.Request) -> str:
        return self.issuer(request.path.split("/")[1])

    async def _metadata(self, request: web.Request) -> web.Response:
        issuer = self._issuer_of(request)
        return web.json_response(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "jwks_uri": f"{issuer}/jwks.json",
                "response_types_supported": ["code"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["ES256"],
                "code_challenge_methods_supported": ["S256"],
                "backchannel_logout_supported": True,
                "backchannel_logout_session_supported": True,
            }
        )

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(public_jwks(self._key))

    async def _authorize(self, request: web.Request) -> web.Response:
        code = secrets.token_urlsafe(16)
        self._codes[code] = (self._issuer_of(request), request.query["nonce"], dict(self.claims))
        raise web.HTTPFound(f"{request.query['redirect_uri']}?code={code}&state={request.query['state']}")

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if self.refuses_code:
            return web.json_response({"error": "invalid_grant"}, status=400)
        issuer, nonce, claims = self._codes.pop(str(form["code"]))
        now = int(datetime.now(UTC).timestamp())
        id_token = {"iss": issuer, "aud": "homeserver", "iat": now, "exp": now + 300, "nonce": nonce, **claims}
        return web.json_response(
            {"access_token": "unused", "token_type": "Bearer", "id_token": self.sign(self._key, id_token)}
        )

    def logout_token(self, name: str, **changed: Any) -> str:
        """What tells a relying party that a session has ended (OpenID Connect Back-Channel Logout)."""
        now = int(datetime.now(UTC).timestamp())
        event: dict[str, object] = {"http://schemas.openid.net/event/backchannel-logout": {}}
        said = {"iss": self.issuer(name), "aud": "homeserver", "iat": now, "jti": secrets.token_hex(8), "events": event}
        return sign_statement(self._key, said | changed)


class _Replays:
    async def use_once(self, _issuer: str, _statement_id: str, _expires_at: int, _now: datetime) -> bool:
        return True


class Directory:
    """The directory's side of the contract: a signed, versioned set of reachable practices, and a search."""

    def __init__(self, port: int, homeserver_keys: KeySet, signing_key: ECKey) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.reachable: set[str] = set()
        self.names: dict[str, str] = {}
        self.is_down = False
        self.hangs_for_s = 0
        """How long it takes to answer a request for a token."""
        self.asked_for_tokens = 0
        self.searched: list[str] = []
        self.codes: dict[str, str] = {}
        self._version = 1
        self._known: dict[int, set[str]] = {1: set()}
        self._mark = secrets.token_hex(8)
        self._key = signing_key
        self._client = Client(
            "homeserver", homeserver_keys, frozenset({"reachability:read", "directory:search", "practice:sign-in"})
        )
        self.app = new_application()
        self.app.middlewares.append(self._hang)
        authority = TokenAuthority(self.url, f"{self.url}/oauth2/token", generate_private_key())
        routes = GuardedRoutes(self.app, authority, self, _Replays())
        routes.add("GET", "/reachable", "reachability:read", self._reachable)
        routes.add("POST", "/people-search", "directory:search", self._search)
        routes.add("POST", "/practice-sign-in-codes", "practice:sign-in", self._code)

    @web.middleware
    async def _hang(self, request: web.Request, handler: Any) -> web.StreamResponse:
        if request.path == "/oauth2/token":
            self.asked_for_tokens += 1
            await asyncio.sleep(self.hangs_for_s)
        response: web.StreamResponse = await handler(request)
        return response

    async def find_client(self, client_id: str) -> Client | None:
        return self._client if client_id == "homeserver" else None

    def set_reachable(self, user_id: str, *, name: str | None) -> None:
        """A practice opts in under a name, or out (None)."""
        if name is None:
            self.reachable.discard(user_id)
        else:
            self.reachable.add(user_id)
            self.names[user_id] = name
        self._version += 1
        self._known[self._version] = set(self.reachable)

    async def _reachable(self, request: web.Request, _caller: Caller) -> web.Response:
        since, wait = int(request.query["since"]), float(request.query["wait"])
        for _ in range(int(wait / 0.05)):
            if (since, request.query["mark"]) != (self._version, self._mark):
                break
            await asyncio.sleep(0.05)
        known = self._known.get(since) if request.query["mark"] == self._mark else None
        payload = {
            "iss": self.url,
            "iat": int(datetime.now(UTC).timestamp()),
            "full": known is None,
            "since": 0 if known is None else since,
            "version": self._version,
            "mark": self._mark,
            "add": sorted(self.reachable - (known or set())),
            "remove": sorted((known or set()) - self.reachable),
            "more": False,
        }
        return web.json_response({"delta": sign_statement(self._key, payload)})

    async def _search(self, request: web.Request, _caller: Caller) -> web.Response:
        if self.is_down:
            raise web.HTTPServiceUnavailable
        body = await request.json()
        self.searched.append(body["term"])
        results = [
            {"user_id": user_id, "display_name": self.names[user_id]}
            for user_id in sorted(self.reachable)
            if body["term"].lower() in self.names[user_id].lower()
        ]
        return web.json_response({"limited": False, "results": results[: body["limit"]]})

    async def _code(self, request: web.Request, _caller: Caller) -> web.Response:
        if self.is_down:
            raise web.HTTPServiceUnavailable
        self.codes[(await request.json())["user_id"]] = code = "KWTFB-XRDHM"
        return web.json_response({"code": code, "expires_at": 1_800_000_000_000})
