"""The web resource for everything below ``/_synapse/client/sign_in``; the main process alone answers."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Protocol

from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest
from synapse.module_api import DirectServeJsonResource
from synapse.util.clock import Clock

from messenger_core.homeserver_interface import SIGN_IN_PREFIX
from messenger_core.log import fault_without_text
from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError
from synapse_modules.rules.pages import WITHOUT_SCRIPTS

logger = logging.getLogger(__name__)

_LARGEST_BODY = 65_536
_TRY_AGAIN_S = "60"


@dataclass(frozen=True, slots=True)
class SignInRequest:
    """A request as it came.

    Attributes:
        query: what stands after ``?``, not decoded.
        cookies: by name.
        address: of the client.
    """

    query: bytes
    body: bytes
    content_type: str
    cookies: Mapping[str, str]
    address: str
    user_agent: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """What is answered."""

    status: int
    body: bytes = b""
    headers: Sequence[tuple[str, str]] = field(default=())


class Template(Protocol):
    """What of a Jinja template is used."""

    def render(self, **values: Any) -> str:
        """The page."""
        ...


Handler = Callable[[SignInRequest], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address below the prefix.

    Attributes:
        for_programs: whether it is called by programs, also from pages of other origins.
    """

    method: str
    path: str
    handler: Handler
    for_programs: bool = False


def json_answer(status: int, content: Mapping[str, Any], headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """An answer for programs."""
    return Answer(status, json.dumps(content).encode(), [("Content-Type", "application/json"), *headers])


def refusal(error: OAuthError) -> Answer:
    """A refusal in OAuth's form; never Matrix's, which clients take for the end of the session."""
    if error.code is ErrorCode.TEMPORARILY_UNAVAILABLE:
        return json_answer(HTTPStatus.SERVICE_UNAVAILABLE, error.body(), [("Retry-After", _TRY_AGAIN_S)])
    if error.code is ErrorCode.SERVER_ERROR:
        return json_answer(HTTPStatus.INTERNAL_SERVER_ERROR, error.body())
    return json_answer(HTTPStatus.BAD_REQUEST, error.body())


def redirect(address: str, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """Sends a browser on."""
    return Answer(HTTPStatus.FOUND, b"", [("Location", address), *headers])


class SignInResource(DirectServeJsonResource):
    """Finds the endpoint of a request, and answers whatever happens."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(
        self, endpoints: Sequence[Endpoint], *, clock: Clock, fault_page: bytes, is_main_process: bool
    ) -> None:
        super().__init__(clock=clock)
        self._endpoints = {(one.path, one.method): one for one in endpoints}
        self._fault_page = fault_page
        self._is_main_process = is_main_process

    async def _async_render(self, request: SynapseRequest) -> None:
        """Called by Synapse for every request; writes the answer itself."""
        method = "GET" if request.method == b"HEAD" else request.method.decode("ascii", errors="replace")
        path = request.path.decode("utf-8", errors="replace").removeprefix(SIGN_IN_PREFIX)
        endpoint = self._endpoints.get((path, method))
        answer = self._not_here(path) if endpoint is None else await self._answer(endpoint, request)
        request.setResponseCode(answer.status)
        set_by_us = request.responseHeaders
        for name, value in (
            ("Cache-Control", "no-store"),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
        ):
            set_by_us.setRawHeaders(name, [value])
        if endpoint is None or endpoint.for_programs:
            set_by_us.setRawHeaders("Access-Control-Allow-Origin", ["*"])
        else:
            set_by_us.setRawHeaders("Content-Security-Policy", [WITHOUT_SCRIPTS])
            set_by_us.setRawHeaders("X-Frame-Options", ["DENY"])
        for name, value in answer.headers:
            set_by_us.addRawHeader(name, value)
        set_by_us.setRawHeaders("Content-Length", [str(len(answer.body))])
        if request.method != b"HEAD":
            request.write(answer.body)  # type: ignore[no-untyped-call]
        finish_request(request)

    async def _answer(self, endpoint: Endpoint, request: SynapseRequest) -> Answer:
        if not self._is_main_process:
            # A proxy that sends these paths to a worker; nothing is lost if the client tries again.
            return self._failed(endpoint, ErrorCode.TEMPORARILY_UNAVAILABLE, "ask the main process")
        assert request.content is not None  # Synapse has read the whole request
        body = request.content.read(_LARGEST_BODY + 1)
        if len(body) > _LARGEST_BODY:
            return self._failed(endpoint, ErrorCode.INVALID_REQUEST, "the request is too large")
        try:
            return await endpoint.handler(
                SignInRequest(
                    query=request.uri.partition(b"?")[2],
                    body=body,
                    content_type=(request.getHeader("Content-Type") or "").partition(";")[0].strip().lower(),
                    cookies=_cookies(request.getHeader("Cookie") or ""),
                    address=request.getClientAddress().host,  # type: ignore[no-untyped-call]
                    user_agent=request.getHeader("User-Agent"),
                )
            )
        except OAuthError as error:
            return refusal(error)
        except Exception as fault:  # noqa: BLE001 - the last resort: nobody is signed out by a fault of ours
            logger.error("sign-in call failed: %s", fault_without_text(fault))  # noqa: TRY400 - texts may hold names
            return self._failed(endpoint, ErrorCode.SERVER_ERROR, "the service failed")

    def _failed(self, endpoint: Endpoint, code: ErrorCode, description: str) -> Answer:
        told = refusal(OAuthError(code, description))
        return told if endpoint.for_programs else html_answer(told.status, self._fault_page)

    def _not_here(self, path: str) -> Answer:
        methods = sorted({method for known, method in self._endpoints if known == path})
        error = OAuthError(ErrorCode.INVALID_REQUEST, "there is no such call").body()
        if methods:
            return json_answer(HTTPStatus.METHOD_NOT_ALLOWED, error, [("Allow", ", ".join(methods))])
        return json_answer(HTTPStatus.NOT_FOUND, error)


def html_answer(status: int, page: bytes, headers: Sequence[tuple[str, str]] = ()) -> Answer:
    """A page for people."""
    return Answer(status, page, [("Content-Type", "text/html; charset=utf-8"), *headers])


def _cookies(header: str) -> dict[str, str]:
    parts = (part.strip().partition("=") for part in header.split(";"))
    return {name: value for name, equals, value in parts if equals}
