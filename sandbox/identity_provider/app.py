"""The HTTP side of the stand-in providers: discovery, the sign-in page, tokens, and adding people."""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources

import jinja2
from aiohttp import web

from messenger_core.catalogue import Catalogue
from messenger_core.http_service import new_application, read_form
from messenger_core.problem import Problem, parse_body
from messenger_core.service_auth.keys import read_private_key
from messenger_core.settings import read_secret
from sandbox.identity_provider.provider import Client, Provider, RequestRefused, TokenRefused
from sandbox.identity_provider.register import MustWait, NameTaken, Register, WrongPin, read_people, write_people
from sandbox.identity_provider.settings import IdentityProviderSettings, ProviderName
from sandbox.people import Agent, Person

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


class ProviderRoutes:
    """The routes of one provider below its issuer."""

    def __init__(self, name: ProviderName, provider: Provider, register: Register, pages: Pages) -> None:
        self._name = name
        self._provider = provider
        self._register = register
        self._pages = pages

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        below = f"/{self._name}"
        app.router.add_get(f"{below}/.well-known/openid-configuration", self._metadata)
        app.router.add_get(f"{below}/jwks.json", self._jwks)
        app.router.add_get(f"{below}/authorize", self._authorize)
        app.router.add_post(f"{below}/sign-in", self._sign_in)
        app.router.add_post(f"{below}/token", self._token)
        app.router.add_get(f"{below}/userinfo", self._userinfo)

    async def _metadata(self, _request: web.Request) -> web.Response:
        return web.json_response(self._provider.metadata())

    async def _jwks(self, _request: web.Request) -> web.Response:
        return web.json_response(self._provider.jwks())

    async def _authorize(self, request: web.Request) -> web.Response:
        try:
            request_id, back = self._provider.ask(request.query, _now())
        except RequestRefused as refusal:
            return self._pages.page("refused.html", 400, "refused-title", Error("refused", {"field": str(refusal)}))
        return _redirect(back) if request_id is None else self._form(request_id, 200)

    def _form(self, request_id: str, status: int, error: Error | None = None, chosen: str = "") -> web.Response:
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
        if not self._provider.is_open(request_id, now):
            return self._pages.page("refused.html", 400, "expired-title", Error("expired"))
        if form.get("do") == "cancel":
            return _redirect(self._provider.cancel(request_id))
        return self._check(request_id, chosen, pin, now)

    def _check(self, request_id: str, chosen: str, pin: str, now: datetime) -> web.Response:
        if not chosen:
            return self._form(request_id, 422, Error("choose-first"))
        if len(pin) != _PIN_LENGTH or not (pin.isascii() and pin.isdigit()):
            return self._form(request_id, 422, Error("pin-form"), chosen)
        match self._register.check(chosen, pin, now):
            case WrongPin(tries_left):
                return self._form(request_id, 422, Error("wrong-pin", {"tries": tries_left}), chosen)
            case MustWait(until):
                seconds = math.ceil((until - now).total_seconds())
                answer = self._form(request_id, 429, Error("must-wait", {"seconds": seconds}), chosen)
                answer.headers["Retry-After"] = str(seconds)
                return answer
            case subject:
                return _redirect(self._provider.answer(request_id, subject, now))

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


def build_application(settings: IdentityProviderSettings) -> web.Application:
    """Both providers in one application."""
    people, agents = read_people(settings.people_file)
    pause = timedelta(seconds=settings.pause_after_wrong_pins_s)
    registers: dict[ProviderName, Register] = {
        "gesundheitsid": Register(people, pause),
        "staff": Register(agents, pause),
    }
    app = new_application()
    pages = Pages()
    for name, register in registers.items():
        ProviderRoutes(name, _provider(settings, name), register, pages).add_to(app)
    app.router.add_get(_STYLE_PATH, _style)
    people_route = PeopleRoute(settings, registers["gesundheitsid"], registers["staff"])
    app.router.add_post("/sandbox/people", people_route.add)
    return app
