"""The HTTP side that every component with aiohttp shares: token endpoint, guarded routes, problems, health."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack

from aiohttp import web

from messenger_core import problem
from messenger_core.background import BackgroundTasks
from messenger_core.client_address import LOOPBACK, Network
from messenger_core.clock import Clock, present
from messenger_core.http_connections import (
    BodyTooSlow,
    BoundedRunner,
    ConnectionLimits,
    Connections,
    quiet_exception_handler,
    raise_descriptor_limit,
)
from messenger_core.http_limits import LARGE_BODY_BYTES, LONGEST_ADDRESS, SMALL_BODY_BYTES, Handler, body_limit, bounded
from messenger_core.log import fault_without_text
from messenger_core.problem import Problem
from messenger_core.rate_limits import TRUSTED_PROXIES
from messenger_core.service_auth.token_grant import (
    AccessRefused,
    Caller,
    ClientRegistry,
    ReplayStore,
    TokenAuthority,
    TokenRefused,
)
from messenger_core.settings import ListenAddress

logger = logging.getLogger(__name__)

TOKEN_PATH = "/oauth2/token"
_MAX_READ_LINE = 8 * LONGEST_ADDRESS
"""Bytes; a longer address gets a plain refusal, and its connection is closed."""
_LINGERING_S = 2.0
"""How long the rest of a refused body is read and thrown away, so that the client gets to read why."""
_INTERNAL: web.AppKey[tuple[web.Application, ListenAddress]] = web.AppKey("internal")

GuardedHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]


def problem_response(fault: Problem) -> web.Response:
    """A problem as an answer."""
    answer = web.json_response(fault.body(), status=fault.status, content_type=problem.CONTENT_TYPE)
    answer.headers.update(fault.headers)
    return answer


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure into a problem; what went wrong inside is logged by its type, without its text."""
    try:
        return await handler(request)
    except web.HTTPException as fault:
        if fault.status < 400:
            raise
        return _http_problem(fault)
    except Exception as fault:  # noqa: BLE001 - the last resort: a caller always gets an answer
        if isinstance(fault, ConnectionError) and request.transport is None:
            # The client has hung up, so nothing failed and nobody reads the answer.
            return web.Response(status=400)
        return problem_response(_problem_of(fault))


def _http_problem(fault: web.HTTPException) -> web.Response:
    detail = f"{fault.reason}: see the interface description for what exists here."
    answer = problem_response(Problem(fault.status, (fault.reason or "error").lower().replace(" ", "-"), detail))
    if "Allow" in fault.headers:
        answer.headers["Allow"] = fault.headers["Allow"]
    return answer


def _problem_of(fault: Exception) -> Problem:
    match fault:
        case Problem():
            return fault
        case BodyTooSlow():
            return Problem(408, "request-timeout", "The body did not arrive in time; send it at once.")
        case web.RequestPayloadError() | UnicodeDecodeError():
            return Problem(400, "unreadable-body", "The body cannot be read as its headers describe it.")
    logger.error("request failed: %s", fault_without_text(fault))
    return Problem(500, "internal-error", "The service failed; the operator finds it in the log.")


class GuardedRoutes:
    """Adds routes that need an access token of one scope, and the token endpoint that gives them."""

    def __init__(
        self,
        app: web.Application,
        authority: TokenAuthority,
        clients: ClientRegistry,
        replays: ReplayStore,
        clock: Clock = present,
    ) -> None:
        self._app = app
        self._authority = authority
        self._clients = clients
        self._replays = replays
        self._clock = clock
        app.router.add_post(TOKEN_PATH, self._token)

    def add(
        self, method: str, path: str, scope: str, handler: GuardedHandler, *, most_body_bytes: int = LARGE_BODY_BYTES
    ) -> None:
        """Adds one route; ``handler`` gets the request, with its body unread, and its authenticated caller."""

        @body_limit(most_body_bytes)
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                caller = self._authority.check_access(request.headers.get("Authorization"), scope, self._clock())
            except AccessRefused as refusal:
                answer = problem_response(Problem(refusal.status, refusal.kind, str(refusal)))
                answer.headers["WWW-Authenticate"] = f'Bearer error="{refusal.error}", scope="{scope}"'
                return answer
            return await handler(request, caller)

        self._app.router.add_route(method, path, guarded)

    async def _token(self, request: web.Request) -> web.Response:
        try:
            form = await read_form(request)
            body: Mapping[str, object] = await self._authority.grant(form, self._clients, self._replays, self._clock())
        except Problem as fault:
            refusal = TokenRefused("invalid_request", fault.detail)
            return web.json_response(refusal.body(), status=400, headers={"Cache-Control": "no-store"})
        except TokenRefused as refusal:
            return web.json_response(refusal.body(), status=refusal.status, headers={"Cache-Control": "no-store"})
        return web.json_response(body, headers={"Cache-Control": "no-store"})


async def read_form(request: web.Request) -> dict[str, str]:
    """The fields of a form.

    Raises:
        Problem: 400 if the body is not one.
    """
    if request.content_type != "application/x-www-form-urlencoded":
        raise Problem(400, "invalid-form", "The body must be application/x-www-form-urlencoded.")
    try:
        return {key: value for key, value in (await request.post()).items() if isinstance(value, str)}
    except (ValueError, LookupError):
        raise Problem(400, "invalid-form", "The body is not a form in a known character set.") from None


def new_application(
    check: Callable[[], Awaitable[bool]] | None = None,
    tasks: BackgroundTasks | None = None,
    *,
    internal_listen: ListenAddress | None = None,
    trusted_proxies: Sequence[Network] = LOOPBACK,
) -> web.Application:
    """An application with problems as errors, bounded requests and ``GET /health``.

    Args:
        check: says whether the component can work; False or an exception makes ``/health`` answer 503.
        tasks: the component's background tasks; ``/health`` answers 503 while one of them is down.
        internal_listen: where ``internal_of`` is served; without it, that is the application itself.
        trusted_proxies: those whose word on the address of a client counts.
    """
    app = _application(check, tasks, detailed=False)
    app[TRUSTED_PROXIES] = tuple(trusted_proxies)
    if internal_listen is not None:
        internal = _application(check, tasks, detailed=True)
        internal[TRUSTED_PROXIES] = internal_listen.trusted_proxies
        app[_INTERNAL] = (internal, internal_listen)
    return app


def internal_of(app: web.Application) -> web.Application:
    """Where the routes belong that are nobody's business outside: figures, and calls between components."""
    return app[_INTERNAL][0] if _INTERNAL in app else app


def _application(
    check: Callable[[], Awaitable[bool]] | None, tasks: BackgroundTasks | None, *, detailed: bool
) -> web.Application:
    app = web.Application(middlewares=[problems, bounded], client_max_size=SMALL_BODY_BYTES)

    async def health(_request: web.Request) -> web.Response:
        try:
            works = (tasks is None or not tasks.down) and (check is None or await check())
        except Exception as fault:  # noqa: BLE001 - whatever is wrong, the answer is that it does not work
            logger.warning("the component cannot work: %s", fault_without_text(fault))
            works = False
        body: dict[str, object] = {"status": "ok" if works else "unavailable"}
        if detailed and tasks is not None:
            body["background_tasks"] = {
                name: {"down": name in tasks.down, "failures": count} for name, count in sorted(tasks.failures.items())
            }
        return web.json_response(body, status=200 if works else 503)

    app.router.add_get("/health", health)
    return app


def new_runner(
    app: web.Application,
    *,
    limits: ConnectionLimits | None = None,
    trusted_proxies: Sequence[Network] = LOOPBACK,
) -> BoundedRunner:
    """What serves an application over bounded connections.

    Access lines are not logged, since addresses and times are personal data; what is compressed is never unpacked.
    """
    return BoundedRunner(
        app,
        Connections(limits or ConnectionLimits(), trusted_proxies),
        access_log=None,
        shutdown_timeout=2.0,
        max_line_size=_MAX_READ_LINE,
        lingering_time=_LINGERING_S,
        auto_decompress=False,
    )


async def serve_until_stopped(
    app: web.Application, listen: ListenAddress, *, unusable: asyncio.Event | None = None
) -> None:
    """Serves until SIGTERM or SIGINT, or until it is said that the component cannot go on.

    The descriptor limit of the process is raised, and each server is bounded to what it allows.
    """
    limits = ConnectionLimits.within(raise_descriptor_limit() // (2 if _INTERNAL in app else 1))
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(quiet_exception_handler())
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    async with AsyncExitStack() as servers:
        for served, address in [(app, listen), *([app[_INTERNAL]] if _INTERNAL in app else [])]:
            runner = new_runner(served, limits=limits, trusted_proxies=address.trusted_proxies)
            servers.push_async_callback(runner.cleanup)
            await runner.setup()
            await web.TCPSite(runner, address.host, address.port, backlog=limits.backlog).start()
            logger.info("listening on %s port %d", address.host, address.port)
        ends = [asyncio.ensure_future(event.wait()) for event in (stopped, unusable) if event is not None]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
