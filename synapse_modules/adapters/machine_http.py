"""The machine API's one web resource: token endpoint, guarded routes, problems as errors; on every process."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qsl

from pydantic import BaseModel, ValidationError
from synapse.api.errors import LimitExceededError
from synapse.http.server import finish_request
from synapse.http.site import SynapseRequest
from synapse.module_api import DirectServeJsonResource
from synapse.util.clock import Clock
from twisted.internet.defer import CancelledError

from messenger_core import problem
from messenger_core.clock import present
from messenger_core.homeserver_interface import MACHINE_PREFIX
from messenger_core.log import fault_without_text
from messenger_core.problem import MOST_ERRORS, Problem
from messenger_core.service_auth.token_grant import (
    AccessRefused,
    Caller,
    ClientRegistry,
    ReplayStore,
    TokenAuthority,
    TokenRefused,
)
from synapse_modules.adapters.health import Health

logger = logging.getLogger(__name__)

_TOKEN_PATH = "/oauth2/token"
_HEALTH_PATH = "/health"
_WELL = {"status": "ok"}
_MAX_BODY_BYTES = 1024 * 1024
_MOST_FIELDS = 20
"""A request for a token has five."""
_Query = TypeVar("_Query", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class MachineRequest:
    """An authenticated call."""

    caller: Caller
    body: bytes
    query: Mapping[str, str]

    def read_query(self, model: type[_Query]) -> _Query:
        """The query's parameters.

        Raises:
            Problem: 400 with one entry a faulty parameter.
        """
        try:
            return model.model_validate(self.query)
        except ValidationError as faults:
            errors = [
                {"field": ".".join(map(str, fault["loc"])), "detail": fault["msg"]}
                for fault in faults.errors(include_url=False, include_input=False, include_context=False)[:MOST_ERRORS]
            ]
            raise Problem(400, "invalid-query", "The query is not as described; see errors.", errors) from None


Handler = Callable[[MachineRequest], Awaitable[dict[str, Any]]]


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the contract; ``path`` is below the prefix."""

    method: str
    path: str
    scope: str
    handler: Handler


class Failures(Protocol):
    """Counts what failed."""

    async def check_failures(self, key: str) -> None:
        """Counts nothing.

        Raises:
            LimitExceededError: if there were too many failures.
        """
        ...

    async def count_failure(self, key: str) -> None:
        """Counts one failure."""
        ...


class Calls(Protocol):
    """A group of calls."""

    def routes(self) -> list[Route]:
        """The calls of the group."""
        ...


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    body: Mapping[str, Any]
    content_type: str = "application/json"
    headers: Mapping[str, str] | None = None


def _problem(fault: Problem, headers: Mapping[str, str] | None = None) -> _Answer:
    return _Answer(fault.status, fault.body(), problem.CONTENT_TYPE, headers)


class MachineResource(DirectServeJsonResource):
    """Everything below ``/_synapse/client/hek``."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(
        self,
        routes: list[Route],
        *,
        authority: TokenAuthority,
        clients: ClientRegistry,
        replays: ReplayStore,
        clock: Clock,
        health: Health,
        failures: Failures,
        sender_of: Callable[[str], str | None],
    ) -> None:
        """Takes, beside what its calls need, whose an address is; None for our own machines, which are not counted."""
        super().__init__(clock=clock)
        self._routes = {(route.path, route.method): route for route in routes}
        self._authority = authority
        self._clients = clients
        self._replays = replays
        self._health = health
        self._failures = failures
        self._sender_of = sender_of

    async def _async_render(self, request: SynapseRequest) -> None:
        """Called by Synapse for every request; writes the answer itself."""
        try:
            answer = await self._answer(request)
        except Problem as fault:
            answer = _problem(fault)
        except CancelledError:
            # The caller hung up: nobody is answered, and nothing has failed.
            raise
        except Exception as fault:  # noqa: BLE001 - the last resort: a caller always gets an answer
            logger.error("machine call failed: %s", fault_without_text(fault))  # noqa: TRY400 - texts may hold names
            answer = _problem(Problem(500, "internal-error", "The service failed; the operator finds it in the log."))
        request.setResponseCode(answer.status)
        for name, value in {
            "Content-Type": answer.content_type,
            "Cache-Control": "no-store",
            **(answer.headers or {}),
        }.items():
            request.responseHeaders.setRawHeaders(name, [value])
        if request.method != b"HEAD":
            request.write(json.dumps(answer.body).encode())  # type: ignore[no-untyped-call]
        finish_request(request)

    async def _answer(self, request: SynapseRequest) -> _Answer:
        method = request.method.decode("ascii", errors="replace")
        path = request.path.decode("utf-8", errors="replace").removeprefix(MACHINE_PREFIX)
        if path == _HEALTH_PATH and method in {"GET", "HEAD"}:
            faults = self._health.faults
            return _Answer(503, {"status": "unavailable", "faults": faults}) if faults else _Answer(200, _WELL)
        assert request.content is not None  # Synapse has read the whole request
        body = request.content.read(_MAX_BODY_BYTES + 1)
        if len(body) > _MAX_BODY_BYTES:
            raise Problem(413, "too-large", "The request's body is larger than one megabyte.")
        if path == _TOKEN_PATH and method == "POST":
            return await self._limited_token(request.get_client_ip_if_available(), body)
        route = self._routes.get((path, method))
        if route is None:
            return self._not_here(path, method)
        try:
            header = request.getHeader("Authorization")
            caller = self._authority.check_access(header, route.scope, present())
        except AccessRefused as refusal:
            challenge = {"WWW-Authenticate": f'Bearer error="{refusal.error}", scope="{route.scope}"'}
            return _problem(Problem(refusal.status, refusal.kind, str(refusal)), challenge)
        return _Answer(200, await route.handler(MachineRequest(caller, body, _query(request))))

    def _not_here(self, path: str, method: str) -> _Answer:
        methods = {known_method for known_path, known_method in self._routes if known_path == path}
        methods |= {"POST"} if path == _TOKEN_PATH else set()
        if methods:
            allowed = ", ".join(sorted(methods))
            fault = Problem(405, "method-not-allowed", f"{method[:10]} is not answered here, only {allowed}.")
            return _problem(fault, {"Allow": allowed})
        return _problem(Problem(404, "not-found", "There is no such call; see the interface description."))

    async def _limited_token(self, address: str, body: bytes) -> _Answer:
        """A token, unless too many requests from the same place failed; those that succeed are not counted."""
        sender = self._sender_of(address)
        if sender is None:
            return await self._token(body)
        key = f"machine's token {sender}"
        try:
            await self._failures.check_failures(key)
        except LimitExceededError as limited:
            fault = Problem(429, "too-many-requests", "Too many requests for a token failed; wait, and try again.")
            return _problem(fault, {"Retry-After": str(math.ceil((limited.retry_after_ms or 1000) / 1000))})
        answer = await self._token(body)
        if answer.status != HTTPStatus.OK:
            await self._failures.count_failure(key)
        return answer

    async def _token(self, body: bytes) -> _Answer:
        try:
            form = dict(
                parse_qsl(body.decode("utf-8", errors="replace"), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
            )
        except ValueError:
            raise Problem(400, "too-many-fields", f"The form has more than {_MOST_FIELDS} fields.") from None
        try:
            return _Answer(200, await self._authority.grant(form, self._clients, self._replays, present()))
        except TokenRefused as refusal:
            return _Answer(refusal.status, refusal.body())


def _query(request: SynapseRequest) -> dict[str, str]:
    arguments: Mapping[bytes, list[bytes]] = request.args or {}
    query = {}
    for name, values in arguments.items():
        if len(values) != 1:
            raise Problem(400, "invalid-query", "A parameter of the query stands there more than once.")
        query[name.decode("utf-8", errors="replace")] = values[0].decode("utf-8", errors="replace")
    return query
