"""The HTTP side that every component with aiohttp shares: token endpoint, guarded routes, problems, health."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

from aiohttp import web

from messenger_core import problem
from messenger_core.background import BackgroundTasks
from messenger_core.log import fault_without_text
from messenger_core.problem import Problem
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
_MAX_BODY_BYTES = 1024 * 1024
_MAX_ADDRESS = 8190
"""Characters, as many as usual: what is longer comes no farther than to most proxies."""
_MAX_READ_LINE = 8 * _MAX_ADDRESS
"""Bytes; a longer address gets a plain refusal, and its connection is closed."""

GuardedHandler = Callable[[web.Request, Caller], Awaitable[web.StreamResponse]]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def problem_response(fault: Problem) -> web.Response:
    """A problem as an answer."""
    return web.json_response(fault.body(), status=fault.status, content_type=problem.CONTENT_TYPE)


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turns every failure into a problem; what went wrong inside is logged by its type, without its text."""
    if len(request.raw_path) > _MAX_ADDRESS:
        detail = f"The address has more than {_MAX_ADDRESS} characters; send what makes it so long in the body."
        return problem_response(Problem(414, "uri-too-long", detail))
    try:
        return await handler(request)
    except Problem as fault:
        return problem_response(fault)
    except (web.RequestPayloadError, UnicodeDecodeError):
        return problem_response(Problem(400, "unreadable-body", "The body cannot be read as its headers describe it."))
    except web.HTTPException as fault:
        if fault.status < 400:
            raise
        detail = f"{fault.reason}: see the interface description for what exists here."
        answer = problem_response(Problem(fault.status, (fault.reason or "error").lower().replace(" ", "-"), detail))
        if "Allow" in fault.headers:
            answer.headers["Allow"] = fault.headers["Allow"]
        return answer
    except Exception as fault:  # noqa: BLE001 - the last resort: a caller always gets an answer
        logger.error("request failed: %s", fault_without_text(fault))  # noqa: TRY400 - a traceback may hold names
        return problem_response(Problem(500, "internal-error", "The service failed; the operator finds it in the log."))


class GuardedRoutes:
    """Adds routes that need an access token of one scope, and the token endpoint that gives them."""

    def __init__(
        self, app: web.Application, authority: TokenAuthority, clients: ClientRegistry, replays: ReplayStore
    ) -> None:
        self._app = app
        self._authority = authority
        self._clients = clients
        self._replays = replays
        app.router.add_post(TOKEN_PATH, self._token)

    def add(self, method: str, path: str, scope: str, handler: GuardedHandler) -> None:
        """Adds one route; ``handler`` gets the request and its authenticated caller."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                caller = self._authority.check_access(request.headers.get("Authorization"), scope, datetime.now(UTC))
            except AccessRefused as refusal:
                answer = problem_response(Problem(refusal.status, refusal.kind, str(refusal)))
                answer.headers["WWW-Authenticate"] = f'Bearer error="{refusal.error}", scope="{scope}"'
                return answer
            return await handler(request, caller)

        self._app.router.add_route(method, path, guarded)

    async def _token(self, request: web.Request) -> web.Response:
        try:
            form = await read_form(request)
            body: Mapping[str, object] = await self._authority.grant(
                form, self._clients, self._replays, datetime.now(UTC)
            )
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
    check: Callable[[], Awaitable[bool]] | None = None, tasks: BackgroundTasks | None = None
) -> web.Application:
    """An application with problems as errors and ``GET /health``.

    Args:
        check: says whether the component can work; False or an exception makes ``/health`` answer 503.
        tasks: the component's background tasks; ``/health`` answers 503 while one of them is down.
    """
    app = web.Application(middlewares=[problems], client_max_size=_MAX_BODY_BYTES)

    async def health(_request: web.Request) -> web.Response:
        try:
            works = (tasks is None or not tasks.down) and (check is None or await check())
        except Exception as fault:  # noqa: BLE001 - whatever is wrong, the answer is that it does not work
            logger.warning("the component cannot work: %s", fault_without_text(fault))
            works = False
        return web.json_response({"status": "ok" if works else "unavailable"}, status=200 if works else 503)

    app.router.add_get("/health", health)
    return app


def new_runner(app: web.Application) -> web.AppRunner:
    """What serves an application; access lines are not logged, since addresses and times are personal data."""
    return web.AppRunner(app, access_log=None, shutdown_timeout=2.0, max_line_size=_MAX_READ_LINE)


async def serve_until_stopped(
    app: web.Application, listen: ListenAddress, *, unusable: asyncio.Event | None = None
) -> None:
    """Serves until SIGTERM or SIGINT, or until it is said that the component cannot go on."""
    runner = new_runner(app)
    await runner.setup()
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signal_number, stopped.set)
    try:
        await web.TCPSite(runner, listen.host, listen.port).start()
        logger.info("listening on %s port %d", listen.host, listen.port)
        ends = [asyncio.ensure_future(event.wait()) for event in (stopped, unusable) if event is not None]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for end in ends:
            end.cancel()
    finally:
        await runner.cleanup()
