"""The messenger's own interface: what retention asks it. See docs/contracts.md, section Bot."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Annotated

from aiohttp import web
from pydantic import Field

from bridge_bot.store.erasure import Erasure
from messenger_core.calendar_periods import from_milliseconds, is_old_enough
from messenger_core.clock import Clock
from messenger_core.http_service import GuardedRoutes
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.service_auth.token_grant import Caller

ERASURE_SCOPE = "erasure:act"
# The last moment that a datetime can hold, with a year to spare for zones.
_LATEST_MS = 253_370_764_800_000


class EraseBody(WireModel):
    """Body of ``POST /v1/retention/erase``."""

    before: Annotated[int, Field(ge=0, lt=_LATEST_MS)]


class RetentionApi:
    """What is due, its erasure, and what is still held."""

    def __init__(self, erasure: Erasure, *, minimum_age_years: int | None, clock: Clock) -> None:
        """``minimum_age_years``: nothing younger is erased, whoever asks; None for no such limit."""
        self._erasure = erasure
        self._minimum_age_years = minimum_age_years
        self._clock = clock

    def add_to(self, routes: GuardedRoutes) -> None:
        """Adds the three routes."""
        routes.add("GET", "/v1/retention/due", ERASURE_SCOPE, self._due)
        routes.add("POST", "/v1/retention/erase", ERASURE_SCOPE, self._erase)
        routes.add("GET", "/v1/retention/held", ERASURE_SCOPE, self._held)

    async def _due(self, request: web.Request, _caller: Caller) -> web.Response:
        rooms = await self._erasure.due(_moment(request))
        return web.json_response({"rooms": [asdict(room) for room in rooms]})

    async def _erase(self, request: web.Request, _caller: Caller) -> web.Response:
        before = from_milliseconds(parse_body(EraseBody, await request.read()).before)
        if self._minimum_age_years is not None and not is_old_enough(before, self._minimum_age_years, self._clock()):
            detail = f"The messenger erases nothing that is younger than {self._minimum_age_years} calendar years."
            raise Problem(409, "too-young", detail)
        return web.json_response(asdict(await self._erasure.erase(before)))

    async def _held(self, request: web.Request, _caller: Caller) -> web.Response:
        return web.json_response(asdict(await self._erasure.held(_moment(request))))


def _moment(request: web.Request) -> datetime:
    unknown = set(request.query) - {"before"}
    if unknown or len(request.query.getall("before", [])) != 1:
        raise Problem(400, "invalid-query", "Exactly one parameter is needed: before, a moment (RFC 3339) with a zone.")
    try:
        moment = datetime.fromisoformat(request.query["before"])
        if moment.tzinfo is None:
            raise ValueError("no zone")
        moment.timestamp()
    except (ValueError, OverflowError):
        detail = "before must be a moment (RFC 3339) with a zone, like 2026-11-24T20:15:00Z; write + as %2B."
        raise Problem(400, "invalid-query", detail, [{"field": "before", "detail": detail}]) from None
    return moment
