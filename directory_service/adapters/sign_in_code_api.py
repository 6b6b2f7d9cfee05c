"""The homeserver asks for a code to show a practice in its messenger; with it the practice signs in to its page."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from directory_service.adapters.account_standings import AccountStandings
from directory_service.rules.sign_in_codes import digest, new_code
from directory_service.rules.standing import Door, Standing
from directory_service.store.sign_in_codes import SignInCodes
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.clock import Clock, present
from messenger_core.http_service import GuardedRoutes
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.rate_limits import RateLimiter, TooManyRequests
from messenger_core.service_auth.token_grant import Caller


class _Account(WireModel):
    user_id: Annotated[str, Field(min_length=1, max_length=255)]


class SignInCodeApi:
    """``POST /practice-sign-in-codes``."""

    def __init__(
        self, standings: AccountStandings, codes: SignInCodes, limiter: RateLimiter, clock: Clock = present
    ) -> None:
        self._standings = standings
        self._limiter = limiter
        self._clock = clock
        self._codes = codes

    def add_to(self, routes: GuardedRoutes) -> None:
        """Adds the route."""
        routes.add("POST", "/practice-sign-in-codes", "practice:sign-in", self._make)

    async def _make(self, request: web.Request, _caller: Caller) -> web.Response:
        asked = parse_body(_Account, await request.read())
        now = self._clock()
        found, _ = await self._standings.at(Door.SIGN_IN_CODE, asked.user_id)
        if found is Standing.UNDECIDED:
            raise Problem(503, "locks-unknown", "Which accounts are locked is not known yet; ask again in a moment.")
        if found is not Standing.ALLOWED:
            raise Problem(404, "unknown-practice", "No practice that is in the directory has this account.")
        if wait_s := self._limiter.take(now, account=asked.user_id):
            raise TooManyRequests(wait_s)
        code = new_code()
        ends = await self._codes.add(digest(code), asked.user_id, now)
        body = {"code": code, "expires_at": to_milliseconds(ends)}
        return web.json_response(body, headers={"Cache-Control": "no-store"})
