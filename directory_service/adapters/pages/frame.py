"""What all pages share: templates that escape everything, their language, their headers, and the files they need."""

from __future__ import annotations

import functools
import hashlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Literal

import jinja2
from aiohttp import web
from multidict import MultiDict, MultiDictProxy

from directory_service.adapters.pages.sessions import Role, Session
from messenger_core.catalogue import Catalogue, Language
from messenger_core.http_limits import MOST_FIELDS, SMALL_BODY_BYTES, body_limit
from messenger_core.log import fault_without_text
from messenger_core.rate_limits import TooManyRequests

logger = logging.getLogger(__name__)

SEARCH_PATH = "/praxissuche"
PRACTICE_PATH = "/praxis"
START_PATHS: dict[Role, str] = {"insured": SEARCH_PATH, "practice": PRACTICE_PATH}
LANGUAGE_FIELD = "language"
_LANGUAGE_COOKIE = "hek-language"
_YEAR_S = 365 * 24 * 3600
# Nothing is loaded from elsewhere, nothing is remembered, no address tells another site where somebody came from, and
# the place is asked for by this page alone.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(self), camera=(), microphone=(), browsing-topics=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_MEDIA_TYPES = {"pages.css": "text/css", "pages.js": "text/javascript", "pages.svg": "image/svg+xml"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody.

    Attributes:
        role: which of the two pages it is for.
        path: the page's address.
        language: in which it is read.
        form: what was sent.
        session: who is signed in, if anybody is.
    """

    role: Role
    path: str
    language: Language
    form: MultiDictProxy[str]
    session: Session | None = None


@dataclass(frozen=True, slots=True)
class KeptForm:
    """A form of a page that stays filled when the language is changed.

    Attributes:
        id: its id on the page.
        action: where the language button sends it; nothing is stored there.
    """

    id: str
    action: str


class PageFault(Exception):  # noqa: N818 - reads as what it is
    """A page that only says what is wrong.

    Attributes:
        status: the HTTP status.
        text: a key of the catalogue; its heading is the same with ``-title``.
    """

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


async def read_form(request: web.Request) -> MultiDictProxy[str]:
    """The fields of a form that a page sent; empty for a request that sends none.

    Raises:
        PageFault: 400 if it is not one, or too large.
    """
    if request.method != "POST":
        return MultiDictProxy(MultiDict())
    if request.content_type != "application/x-www-form-urlencoded":
        raise PageFault(400, "page-form-unreadable")
    try:
        sent = await request.post()
    except web.HTTPRequestEntityTooLarge:
        raise PageFault(413, "page-form-unreadable") from None
    except (ValueError, LookupError):
        raise PageFault(400, "page-form-unreadable") from None
    return MultiDictProxy(MultiDict((name, value) for name, value in sent.items() if isinstance(value, str)))


def language_of(request: web.Request, form: Mapping[str, str]) -> Language:
    """The language that was chosen now, or earlier; German if none was."""
    for asked in (form.get(LANGUAGE_FIELD), request.query.get(LANGUAGE_FIELD), request.cookies.get(_LANGUAGE_COOKIE)):
        if asked in {"de", "en"}:
            return "en" if asked == "en" else "de"
    return "de"


class Frame:
    """Renders pages, and serves the files that they need."""

    def __init__(self, texts: Catalogue) -> None:
        self.texts = texts
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader("directory_service"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        folder = resources.files("directory_service").joinpath("templates")
        self._files = {name: folder.joinpath(name).read_bytes() for name in _MEDIA_TYPES}
        # A changed file has another address, so that browsers may keep each for ever.
        marks = {name: hashlib.sha256(content).hexdigest()[:16] for name, content in self._files.items()}
        self._addresses = {name: f"/pages/{mark}/{name}" for name, mark in marks.items()}

    def add_to(self, app: web.Application) -> None:
        """Adds the routes of the files, and of the directory's own address."""
        for name, address in self._addresses.items():
            app.router.add_get(address, functools.partial(self._file, name))

        async def start(_request: web.Request) -> web.Response:
            return redirect(SEARCH_PATH)

        app.router.add_get("/", start)

    def add_form(
        self,
        app: web.Application,
        path: str,
        role: Role,
        handler: Handler,
        *,
        most_bytes: int = SMALL_BODY_BYTES,
        most_fields: int = MOST_FIELDS,
    ) -> None:
        """Adds the route that a form is sent to; whoever opens its address by hand gets the page that has the form.

        Args:
            app: what it is added to.
            path: where the form is sent.
            role: whose page has it.
            handler: takes it.
            most_bytes: how large it may be.
            most_fields: how many fields it may have.
        """

        async def start(_request: web.Request) -> web.Response:
            return redirect(START_PATHS[role])

        app.router.add_post(path, body_limit(most_bytes, most_fields)(self.guarded(role, handler)))
        app.router.add_get(path, start)

    async def _file(self, name: str, _request: web.Request) -> web.Response:
        headers = {
            "Cache-Control": "public, max-age=31536000, immutable",
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        return web.Response(body=self._files[name], content_type=_MEDIA_TYPES[name], charset="utf-8", headers=headers)

    def page(
        self,
        visit: Visit,
        template: str,
        *,
        title: str,
        status: int = 200,
        kept_form: KeptForm | None = None,
        **values: object,
    ) -> web.Response:
        """One page.

        Args:
            visit: for whom.
            template: its file.
            title: a key of the catalogue.
            status: the HTTP status.
            kept_form: the form that the language button sends along; without one the page is opened anew.
            values: what the template needs.
        """
        text = self._templates.get_template(template).render(
            t=functools.partial(self._text, visit.language),
            visit=visit,
            title=title,
            files=self._addresses,
            kept_form=kept_form,
            other="de" if visit.language == "en" else "en",
            **values,
        )
        answer = web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=_HEADERS)
        answer.set_cookie(_LANGUAGE_COOKIE, visit.language, path="/", max_age=_YEAR_S, httponly=True, samesite="Lax")
        return answer

    def _text(self, language: Language, key: str, /, **values: object) -> str:
        return self.texts.text(key, language, **values)

    def notice(
        self, visit: Visit, text: str, *, status: int, action: Literal["sign-in", "back", ""] = "back"
    ) -> web.Response:
        """A page that says one thing, and how to go on."""
        return self.page(visit, "page_notice.html", title=f"{text}-title", status=status, text=text, action=action)

    def guarded(self, role: Role, handler: Handler) -> Handler:
        """The handler, with every failure as a page that people can read."""

        async def shown(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except PageFault as fault:
                return self.notice(self._stranger(request, role), fault.text, status=fault.status)
            except TooManyRequests as refusal:
                answer = self.notice(self._stranger(request, role), "page-too-many", status=429)
                answer.headers.update(refusal.headers)
                return answer
            except web.HTTPException:
                raise
            except Exception as fault:  # noqa: BLE001 - the last resort: people always get a page
                logger.error("a page failed: %s", fault_without_text(fault))  # noqa: TRY400 - it may hold names
                return self.notice(self._stranger(request, role), "page-failed", status=500)

        return shown

    @staticmethod
    def _stranger(request: web.Request, role: Role) -> Visit:
        return Visit(role, START_PATHS[role], language_of(request, {}), MultiDictProxy(MultiDict()))


def redirect(address: str) -> web.Response:
    """Sends the browser on with GET."""
    return web.Response(status=303, headers={**_HEADERS, "Location": address})
