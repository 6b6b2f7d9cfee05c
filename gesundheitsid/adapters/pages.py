"""What people see of the broker: the list of insurers, and why a sign-in is not possible; German and English."""

from __future__ import annotations

from importlib import resources
from urllib.parse import urlsplit

import jinja2
from aiohttp import web

from gesundheitsid.rules.refusals import Reason
from gesundheitsid.rules.trust_chain import ListedIdp
from messenger_core.catalogue import Catalogue
from messenger_core.people_names import without_unshown

_PACKAGE = "gesundheitsid"
_STYLE_PATH = "/style.css"
HEADERS = {
    "Cache-Control": "no-store",
    # Without form-action: browsers apply it to the redirect as well, which leads to the insurer's identity provider.
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_STATUS = {
    Reason.BROKER_FAILED: 503,
    Reason.FEDERATION_UNAVAILABLE: 503,
    Reason.PROVIDER_UNAVAILABLE: 503,
    Reason.CANCELLED: 200,
    Reason.LEVEL_TOO_LOW: 403,
    Reason.TOO_MANY: 429,
}
_WAIT_S = 60
_AGAIN = (
    Reason.SIGN_IN_UNKNOWN,
    Reason.OTHER_BROWSER,
    Reason.CANCELLED,
    Reason.CODE_REFUSED,
    Reason.ANSWER_INCOMPLETE,
    Reason.TOKEN_EXPIRED,
    Reason.TOKEN_NONCE,
)
_LATER = (
    Reason.BROKER_FAILED,
    Reason.FEDERATION_UNAVAILABLE,
    Reason.PROVIDER_UNAVAILABLE,
    Reason.PROVIDER_ERROR,
)
# What a person can do; for all other reasons somebody has to mend something, and she can only tell the operator.
_ADVICE = {
    **dict.fromkeys(_AGAIN, "do-again"),
    **dict.fromkeys(_LATER, "do-later"),
    **dict.fromkeys((Reason.INSURER_UNKNOWN, Reason.NOT_IN_FEDERATION, Reason.IDENTITY_MISSING), "do-insurer"),
    Reason.LEVEL_TOO_LOW: "do-level",
    Reason.COOKIES_OFF: "do-cookies",
    Reason.TOO_MANY: "do-wait",
}


def _listed(idp: ListedIdp) -> dict[str, str]:
    """How an insurer stands in the list: what shows nothing of its name is left out."""
    return {"issuer": idp.issuer, "name": without_unshown(idp.name) or urlsplit(idp.issuer).netloc}


class Pages:
    """The pages, from templates that escape everything."""

    def __init__(self) -> None:
        self._texts = Catalogue.of(_PACKAGE)
        self._templates = jinja2.Environment(
            loader=jinja2.PackageLoader(_PACKAGE), autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
        )

    def add_to(self, app: web.Application) -> None:
        """Adds what the pages need."""
        app.router.add_get(_STYLE_PATH, self._style)

    def refusal(self, reason: Reason, *, retry_after_s: int | None = None) -> web.Response:
        """Says what happened, why, and what to do; when to come again, if that is known."""
        values = {"code": reason.value, "seconds": retry_after_s or _WAIT_S}
        advice = _ADVICE.get(reason, "do-operator")
        status = _STATUS.get(reason, 400)
        page = self._page("refused.html", status, "refused-title", reason=reason.value, advice=advice, values=values)
        if retry_after_s is not None:
            page.headers["Retry-After"] = str(retry_after_s)
        return page

    def choice(self, handle: str, idps: list[ListedIdp], *, nothing_chosen: bool = False) -> web.Response:
        """The list of insurers."""
        status = 422 if nothing_chosen else 200
        return self._page(
            "choose.html",
            status,
            "choose-title",
            handle=handle,
            idps=[_listed(idp) for idp in idps],
            nothing_chosen=nothing_chosen,
        )

    def _page(self, template: str, status: int, title: str, **values: object) -> web.Response:
        text = self._templates.get_template(template).render(
            texts=self._texts, style=_STYLE_PATH, title=title, **values
        )
        return web.Response(text=text, status=status, content_type="text/html", charset="utf-8", headers=HEADERS)

    @staticmethod
    async def _style(_request: web.Request) -> web.Response:
        text = resources.files(_PACKAGE).joinpath("templates/style.css").read_text(encoding="utf-8")
        return web.Response(text=text, content_type="text/css", charset="utf-8")
