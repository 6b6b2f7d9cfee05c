"""The HTTP side of the stand-in providers: discovery, the sign-in page, tokens, and adding people."""

from __future__ import annotations

import hmac
import math
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from typing import Any, Protocol
from urllib.parse import urlsplit

import aiohttp
import jinja2
from aiohttp import web
from joserfc.jwk import KeySet

from messenger_core.catalogue import Catalogue
from messenger_core.http_service import new_application, read_form
from messenger_core.problem import Problem, parse_body
from messenger_core.service_auth.keys import public_jwks, read_jwks, read_private_key
from messenger_core.settings import read_secret
from sandbox.identity_provider.provider import Client, Provider, RequestRefused, TokenRefused
from sandbox.identity_provider.register import MustWait, NameTaken, Register, WrongPin, read_people, write_people
from sandbox.identity_provider.settings import IdentityProviderSettings, ProviderName, TiFederationSettings
from sandbox.people import Agent, Person
from sandbox.ti_federation.federation_master import FederationMaster
from sandbox.ti_federation.sectoral_idp import Refused, SectoralIdp
from sandbox.ti_federation.tls_front import served

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_STYLE_PATH = "/style.css"
_PIN_LENGTH = 6


@dataclass(frozen=True, slots=True)
class Error:
    """A text of the catalogue with its values."""

    key: str
    values: dict[str, object] = field(default_factory=dict)


def _now() -> datetime:
    return datetime.now(UTC)


def _redirect(address: str) -> web.Response:
    return web.Response(status=303, headers={**_HEADERS, "Location": address})


class Pages:
    """The HTML pages, from templates that escape everything."""

    def __init__(self) -> None:
        self._texts = Catalogue.of("sandbox.identity_provider")
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("sandbox.identity_provider"),
            autoescape=True,
            trim_blocks=True,
            undefined=jinja2.StrictUndefined,
        )

    def page(self, template: str, status: int, title: str, error: Error | None, **values: object) -> web.Response:
        """One page; ``title`` is a key of the catalogue."""
        text = self._templates.get_template(template).render(
            texts=self._texts, title=title, error=error, style=_STYLE_PATH, **values
        )
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)


class SignIns(Protocol):
    """What waits for a person: an authorization request of a plain provider, or one that was pushed."""

    def is_open(self, request_id: str, moment: datetime, /) -> bool:
        """Whether it still waits."""

    def answer(self, request_id: str, subject: Person | Agent, moment: datetime, /) -> str:
        """Closes it; returns where the browser goes."""

    def cancel(self, request_id: str, /) -> str:
        """Closes it without a sign-in; returns where the browser goes."""


class SignInPage:
    """The page on which a person says who she is and enters her PIN."""

    def __init__(self, name: ProviderName, sign_ins: SignIns, register: Register, pages: Pages) -> None:
        self._name = name
        self._sign_ins = sign_ins
        self._register = register
        self._pages = pages

    def add_to(self, app: web.Application) -> None:
        """Adds the route that the page's form goes to."""
        app.router.add_post(f"/{self._name}/sign-in", self._sign_in)

    def refused(self, field: str) -> web.Response:
        """Tells a person that the application she comes from asks wrongly."""
        return self._pages.page("refused.html", 400, "refused-title", Error("refused", {"field": field}))

    def form(self, request_id: str, status: int, error: Error | None = None, chosen: str = "") -> web.Response:
        """The page, with what was wrong with it when it was sent."""
        return self._pages.page(
            "sign_in.html",
            status,
            f"{self._name}-title",
            error,
            provider=self._name,
            action=f"/{self._name}/sign-in",
            request_id=request_id,
            subjects=self._register.subjects(),
            chosen=chosen,
        )

    async def _sign_in(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        request_id, chosen, pin = (form.get(name, "") for name in ("request", "person", "pin"))
        now = _now()
        if not self._sign_ins.is_open(request_id, now):
            return self._pages.page("refused.html", 400, "expired-title", Error("expired"))
        if form.get("do") == "cancel":
            return _redirect(self._sign_ins.cancel(request_id))
        return self._check(request_id, chosen, pin, now)

    def _check(self, request_id: str, chosen: str, pin: str, now: datetime) -> web.Response:
        if not chosen:
            return self.form(request_id, 422, Error("choose-first"))
        if len(pin) != _PIN_LENGTH or not (pin.isascii() and pin.isdigit()):
            return self.form(request_id, 422, Error("pin-form"), chosen)
        match self._register.check(chosen, pin, now):
            case WrongPin(tries_left):
                return self.form(request_id, 422, Error("wrong-pin", {"tries": tries_left}), chosen)
            case MustWait(until):
                seconds = math.ceil((until - now).total_seconds())
                answer = self.form(request_id, 429, Error("must-wait", {"seconds": seconds}), chosen)
                answer.headers["Retry-After"] = str(seconds)
                return answer
            case subject:
                return _redirect(self._sign_ins.answer(request_id, subject, now))


class ProviderRoutes:
    """The routes of one plain provider below its issuer."""

    def __init__(self, name: ProviderName, provider: Provider, page: SignInPage) -> None:
        self._name = name
        self._provider = provider
        self._page = page

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        below = f"/{self._name}"
        app.router.add_get(f"{below}/.well-known/openid-configuration", self._metadata)
        app.router.add_get(f"{below}/jwks.json", self._jwks)
        app.router.add_get(f"{below}/authorize", self._authorize)
        app.router.add_post(f"{below}/token", self._token)
        app.router.add_get(f"{below}/userinfo", self._userinfo)
        self._page.add_to(app)

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(self._provider.metadata())

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(self._provider.jwks())

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            request_id, back = self._provider.ask(request.query, _now())
        except RequestRefused as refusal:
            return self._page.refused(str(refusal))
        return _redirect(back) if request_id is None else self._page.form(request_id, 200)

    async def _token(self, request: web.Request) -> web.Response:
        form = await read_form(request)
        headers = {"Cache-Control": "no-store"}
        try:
            return web.json_response(
                self._provider.token(request.headers.get("Authorization"), form, _now()), headers=headers
            )
        except TokenRefused as refusal:
            if refusal.status == 401:
                headers["WWW-Authenticate"] = "Basic"
            body = {"error": refusal.error, "error_description": str(refusal)}
            return web.json_response(body, status=refusal.status, headers=headers)

    async def _userinfo(self, request: web.Request) -> web.Response:
        claims = self._provider.userinfo(request.headers.get("Authorization"), _now())
        if claims is None:
            return web.json_response(
                {"error": "invalid_token"}, status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            )
        return web.json_response(dict(claims), headers={"Cache-Control": "no-store"})


class PeopleRoute:
    """Adds people while the process runs, for whoever has the token."""

    def __init__(self, settings: IdentityProviderSettings, people: Register, agents: Register) -> None:
        self._token = read_secret(settings.people_token_file)
        self._file = settings.people_file
        self._people = people
        self._agents = agents

    async def add(self, request: web.Request) -> web.Response:
        """``POST /sandbox/people`` with a person as its body."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(token.encode(), self._token.encode()):
            raise Problem(401, "invalid-token", "Send the token of the sandbox's people-token file as a bearer token.")
        person = parse_body(Person, await request.read())
        try:
            self._people.add(person)
        except NameTaken:
            raise Problem(409, "name-taken", "Somebody else has this name; choose another one.") from None
        everybody = [one for one in self._people.subjects() if isinstance(one, Person)]
        agents = [one for one in self._agents.subjects() if isinstance(one, Agent)]
        write_people(self._file, everybody, agents)
        return web.json_response({"name": person.name}, status=201)


async def _style(_request: web.Request) -> web.Response:
    text = resources.files("sandbox.identity_provider").joinpath("templates/style.css").read_text(encoding="utf-8")
    return web.Response(text=text, content_type="text/css", charset="utf-8")


def _provider(settings: IdentityProviderSettings, name: ProviderName) -> Provider:
    clients = [
        Client(party.client_id, read_secret(party.secret_file), frozenset(party.redirect_uris))
        for party in settings.relying_parties
        if party.provider == name
    ]
    key = read_private_key(settings.signing_key_files[name])
    return Provider(f"{settings.public_url}/{name}", key, clients, read_secret(settings.pairwise_secret_file))


class PushedRequestRoute:
    """Where a person's browser comes to with a request that was pushed before."""

    def __init__(self, idp: SectoralIdp, page: SignInPage) -> None:
        self._idp = idp
        self._page = page

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get("/gesundheitsid/authorize", self._authorize)
        self._page.add_to(app)

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            return self._page.form(self._idp.ask(request.query), 200)
        except Refused as refusal:
            return self._page.refused(str(refusal))


@asynccontextmanager
async def _federation(
    settings: IdentityProviderSettings, federation: TiFederationSettings, app: web.Application, register: Register
) -> AsyncIterator[None]:
    """Federation master and sectoral identity provider, each on a port of its own."""
    key, idp_key = read_private_key(federation.master_key_file), read_private_key(federation.sectoral_idp_key_file)
    members: dict[str, Mapping[str, Any]] = {
        party: dict(read_jwks(file).as_dict(private=False)) for party, file in federation.members.items()
    }
    members[federation.sectoral_idp] = public_jwks(idp_key)
    master = FederationMaster(federation.master, key, members, {federation.sectoral_idp: "HEK (Nachbau)"})
    connector = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=str(federation.ca_file)))
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=10))
        )
        idp = SectoralIdp(
            issuer=federation.sectoral_idp,
            pages=f"{settings.public_url}/gesundheitsid",
            master=federation.master,
            master_keys=KeySet([key]),
            key=idp_key,
            token_key=read_private_key(federation.sectoral_idp_token_key_file),
            pairwise_secret=read_secret(settings.pairwise_secret_file),
            http=http,
        )
        PushedRequestRoute(idp, SignInPage("gesundheitsid", idp, register, Pages())).add_to(app)
        for entity_id, side in ((federation.master, master.application()), (idp.issuer, idp.application())):
            port = urlsplit(entity_id).port
            assert port is not None
            front = served(side, server_file=federation.server_file, host=settings.listen.host, port=port)
            await stack.enter_async_context(front)
        yield


@asynccontextmanager
async def open_application(settings: IdentityProviderSettings) -> AsyncIterator[web.Application]:
    """The plain providers, and the TI federation if there is one."""
    people, agents = read_people(settings.people_file)
    pause = timedelta(seconds=settings.pause_after_wrong_pins_s)
    registers: dict[ProviderName, Register] = {
        "gesundheitsid": Register(people, pause),
        "staff": Register(agents, pause),
    }
    app = new_application()
    pages = Pages()
    for name, register in registers.items():
        if name == "gesundheitsid" and settings.federation is not None:
            continue
        provider = _provider(settings, name)
        ProviderRoutes(name, provider, SignInPage(name, provider, register, pages)).add_to(app)
    app.router.add_get(_STYLE_PATH, _style)
    people_route = PeopleRoute(settings, registers["gesundheitsid"], registers["staff"])
    app.router.add_post("/sandbox/people", people_route.add)
    if settings.federation is None:
        yield app
    else:
        async with _federation(settings, settings.federation, app, registers["gesundheitsid"]):
            yield app
