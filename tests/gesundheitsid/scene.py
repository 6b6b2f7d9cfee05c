"""The broker between a client and a federation: everything real but for the people."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
import ssl
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import yaml
from aiohttp import web
from joserfc.jwk import KeySet

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.app import open_application
from gesundheitsid.settings import GesundheitsIDSettings, LimitSettings
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from messenger_core.settings import check_settings
from sandbox.people import Person, fresh_person
from sandbox.ports import reserve_port
from sandbox.ti_federation.certificates import make_certificates
from sandbox.ti_federation.federation_master import FederationMaster
from sandbox.ti_federation.registered_party import RegisteredParty
from sandbox.ti_federation.sectoral_idp import Pushed, SectoralIdp
from sandbox.ti_federation.tls_front import served

HOST = "127.0.0.1"
CLIENT_CALLBACK = "http://127.0.0.1:1/_synapse/client/oidc/callback"
SECRET = "client-secret"
_START_TIMEOUT_S = 120
VERIFIER = "v" * 64
ASK = {
    "client_id": "homeserver",
    "redirect_uri": CLIENT_CALLBACK,
    "response_type": "code",
    "scope": "openid urn:telematik:display_name urn:telematik:versicherter",
    "state": "client-state",
    "nonce": "client-nonce",
    "code_challenge": base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode(),
    "code_challenge_method": "S256",
}


class Idp(SectoralIdp):
    """A sectoral identity provider that can be made to do wrong."""

    change_claims: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    sign: Callable[[Mapping[str, Any]], str] | None = None
    seal: Callable[[str, RegisteredParty], str] | None = None
    change_metadata: Callable[[dict[str, Any]], dict[str, Any]] | None = None
    sign_keys: Callable[[], str] | None = None
    configure: Callable[[], str] | None = None

    def claims(self, answered: Pushed) -> dict[str, Any]:
        claims = super().claims(answered)
        return self.change_claims(claims) if self.change_claims else claims

    def signed(self, claims: Mapping[str, Any]) -> str:
        return self.sign(claims) if self.sign else super().signed(claims)

    def sealed(self, signed: str, party: RegisteredParty) -> str:
        return self.seal(signed, party) if self.seal else super().sealed(signed, party)

    def metadata(self) -> dict[str, Any]:
        metadata = super().metadata()
        return self.change_metadata(metadata) if self.change_metadata else metadata

    def signed_keys(self) -> str:
        return self.sign_keys() if self.sign_keys else super().signed_keys()

    def configuration(self) -> str:
        return self.configure() if self.configure else super().configuration()


class Master(FederationMaster):
    """A federation master that can be made to do wrong."""

    state: Callable[[str], str | None] | None = None
    configure: Callable[[], str] | None = None
    list_idps: Callable[[], str] | None = None

    def about(self, subject: str) -> str | None:
        return self.state(subject) if self.state else super().about(subject)

    def configuration(self) -> str:
        return self.configure() if self.configure else super().configuration()

    def idp_list(self) -> str:
        return self.list_idps() if self.list_idps else super().idp_list()


@dataclass
class Page:
    """What a browser got."""

    status: int
    text: str
    location: str

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.location).query).items()}


@dataclass
class Scene:
    """What runs, and what people and clients do with it."""

    base: str
    http: aiohttp.ClientSession
    idp: Idp
    master: Master
    keys: KeyFile
    settings: GesundheitsIDSettings
    person: Person
    application: web.Application | None = None
    """The broker, where it runs in this process."""
    late: timedelta = timedelta()
    cookies: dict[str, str] = field(default_factory=dict)
    logout_tokens: list[str] = field(default_factory=list)
    logged_out: asyncio.Event = field(default_factory=asyncio.Event)
    interference: Callable[[web.Request], web.StreamResponse | None] | None = None

    def clock(self) -> datetime:
        return datetime.now(UTC) + self.late

    async def open(
        self, address: str, form: Mapping[str, str] | None = None, query: Mapping[str, str] | None = None
    ) -> Page:
        """As a browser with cookies, one step at a time."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
        method = "GET" if form is None else "POST"
        request = self.http.request(method, address, params=query, data=form, headers=headers, allow_redirects=False)
        async with request as answer:
            self.cookies |= {name: morsel.value for name, morsel in answer.cookies.items()}
            return Page(answer.status, await answer.text(), answer.headers.get("Location", ""))

    async def ask(self, **changes: str) -> Page:
        """A client sends the browser to the broker."""
        query = {name: value for name, value in {**ASK, **changes}.items() if value}
        page = await self.open(f"{self.base}/authorize", query=query)
        # A browser that is not known yet is sent there once more, with a cookie.
        return await self.open(page.location) if page.location.startswith(f"{self.base}/authorize?") else page

    def identify(self, asked: Page) -> str:
        """The person signs in at her insurer; returns where she is sent to."""
        assert asked.status == 303, asked.text
        return self.idp.answer(self.idp.ask(asked.query), self.person, datetime.now(UTC))

    async def sign_in(self, **changes: str) -> Page:
        """The whole way of a browser: what the broker says at its end."""
        asked = await self.ask(**changes)
        return await self.open(self.identify(asked)) if asked.status == 303 else asked

    async def token(self, code: str, **changes: str) -> tuple[int, dict[str, Any]]:
        """What the broker's token endpoint answers."""
        credentials = f"{changes.pop('client', 'homeserver')}:{changes.pop('secret', SECRET)}"
        headers = {"Authorization": "Basic " + base64.b64encode(credentials.encode()).decode()}
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CLIENT_CALLBACK,
            "code_verifier": VERIFIER,
            **changes,
        }
        async with self.http.post(f"{self.base}/token", data=form, headers=headers) as answer:
            return answer.status, await answer.json()

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        async with self.http.get(f"{self.base}{path}", headers=headers) as answer:
            return answer.status, await answer.text()


async def _serve_plain(stack: AsyncExitStack, app: web.Application, port: int) -> None:
    runner = web.AppRunner(app, shutdown_timeout=1.0)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, HOST, port).start()


def _interfering(scene: Callable[[], Scene]) -> Any:
    @web.middleware
    async def interfere(request: web.Request, handler: Any) -> web.StreamResponse:
        interference = scene().interference
        answer = interference(request) if interference else None
        return answer if answer is not None else await handler(request)

    return interfere


@asynccontextmanager
async def opened(
    folder: Path,
    database: str,
    *,
    choice: bool = False,
    limits: LimitSettings | None = None,
    as_process: bool = False,
    **federation: Any,
) -> AsyncIterator[Scene]:
    """A scene.

    Args:
        folder: where its files go.
        database: the broker's.
        choice: whether people choose their insurer from the list.
        limits: the broker's; without them, the shipped ones.
        as_process: whether the broker is a process of its own, with a listener for the inside.
        federation: changes of the broker's settings of that name.
    """
    ports = {name: reserve_port() for name in ("master", "idp", "broker", "internal", "client")}
    base = f"http://{HOST}:{ports['broker']}"
    ca_file, server_file = folder / "ca.pem", folder / "server.pem"
    make_certificates(ca_file, server_file, HOST)
    master_key, idp_key = generate_private_key(), generate_private_key()
    (folder / "master.jwks.json").write_text(json.dumps(public_jwks(master_key)))
    for name in ("client-secret", "pairwise-secret"):
        (folder / name).write_text(SECRET)
    keys = KeyFile(folder / "keys.json", base)
    keys.make(datetime.now(UTC))
    master_id, idp_id = f"https://{HOST}:{ports['master']}", f"https://{HOST}:{ports['idp']}"
    settings = check_settings(
        GesundheitsIDSettings,
        {
            "listen": {"host": HOST, "port": ports["broker"]},
            "internal_listen": {"host": HOST, "port": ports["internal"]} if as_process else None,
            "limits": limits or LimitSettings(),
            "public_url": base,
            "database": database,
            "keys_file": folder / "keys.json",
            "pairwise_secret_file": folder / "pairwise-secret",
            "federation": {
                "master": master_id,
                "master_keys_file": folder / "master.jwks.json",
                "ca_file": ca_file,
                "insurer": None if choice else idp_id,
                "timeout_s": 5,
                "private_networks": ["127.0.0.1/32"],
                **federation,
            },
            "entity": {"client_name": "HEK Messenger", "organization_name": "HEK", "contacts": ["a@hek.example"]},
            "clients": [
                {
                    "client_id": name,
                    "secret_file": folder / "client-secret",
                    "redirect_uris": [CLIENT_CALLBACK],
                    "backchannel_logout_uri": f"http://{HOST}:{ports['client']}/logout",
                }
                for name in ("homeserver", "another")
            ],
        },
        source="test",
    )
    context = ssl.create_default_context(cafile=str(ca_file))
    async with AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(ssl=context, force_close=True)
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        )
        federation_ring = keys.ring("federation")
        members: dict[str, Mapping[str, Any]] = {
            base: public_jwks(federation_ring.current, federation_ring.following),
            idp_id: public_jwks(idp_key),
        }
        master = Master(master_id, master_key, members, {idp_id: "HEK", "https://other.example": "Andere <Kasse>"})
        idp = Idp(
            issuer=idp_id,
            pages="http://127.0.0.1:1/pages",
            master=master_id,
            master_keys=KeySet([master_key]),
            key=idp_key,
            token_key=generate_private_key(),
            pairwise_secret=secrets.token_urlsafe(8),
            http=http,
        )
        scene = Scene(base, http, idp, master, keys, settings, fresh_person("Erika"))
        for app, port in ((master.application(), ports["master"]), (idp.application(), ports["idp"])):
            app.middlewares.append(_interfering(lambda: scene))
            await stack.enter_async_context(served(app, server_file=server_file, host=HOST, port=port))
        client = web.Application()

        async def logout(request: web.Request) -> web.Response:
            scene.logout_tokens.append(str((await request.post())["logout_token"]))
            scene.logged_out.set()
            return web.Response()

        client.router.add_post("/logout", logout)
        await _serve_plain(stack, client, ports["client"])
        if as_process:
            await stack.enter_async_context(_process(settings, folder))
        else:
            scene.application = await stack.enter_async_context(open_application(settings, scene.clock))
            await _serve_plain(stack, scene.application, ports["broker"])
        yield scene


@asynccontextmanager
async def _process(settings: GesundheitsIDSettings, folder: Path) -> AsyncIterator[None]:
    """The broker as an operator starts it; its log is ``broker.log``."""
    config = folder / "gesundheitsid.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")), encoding="utf-8")
    with (folder / "broker.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "gesundheitsid", "--config", str(config), stderr=log
        )
    try:
        async with asyncio.timeout(_START_TIMEOUT_S), aiohttp.ClientSession() as http:
            while process.returncode is None:
                try:
                    async with http.get(f"{settings.public_url}/health") as answer:
                        if answer.status == 200:
                            break
                except aiohttp.ClientError:
                    await asyncio.sleep(0.1)
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
