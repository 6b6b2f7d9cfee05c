"""How often anybody may knock at the doors where nobody is signed in yet, by address and in all."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from directory_service.settings import RateLimitSettings
from messenger_core.clock import Clock
from messenger_core.http_service import TOKEN_PATH
from messenger_core.rate_limits import RateGuard, RateLimiter


@dataclass(frozen=True, slots=True)
class RequestLimits:
    """The limits of each door.

    Attributes:
        registration: of statements with which practices join.
        search_token: of questions to a homeserver whose an OpenID token is.
        page_sign_in: of sign-ins at the pages, of either kind.
        access_token: of assertions for access tokens; by address alone, so that strangers cannot use up what
            homeservers and practices need.
        sign_in_codes: of codes for a practice's page, by its account, whose owner alone asks for them.
    """

    registration: RateGuard
    search_token: RateGuard
    page_sign_in: RateGuard
    access_token: RateGuard
    sign_in_codes: RateLimiter


def request_limits(settings: RateLimitSettings, clock: Clock) -> RequestLimits:
    """The limits that the settings say, all full."""
    return RequestLimits(
        registration=RateGuard(RateLimiter.of(settings.registration), clock),
        search_token=RateGuard(RateLimiter.of(settings.search_token), clock),
        page_sign_in=RateGuard(RateLimiter.of(settings.page_sign_in), clock),
        access_token=RateGuard(RateLimiter(by_address=settings.access_token_by_address), clock),
        sign_in_codes=RateLimiter(by_account=settings.sign_in_codes_by_account),
    )


def limiting_access_tokens(guard: RateGuard) -> Middleware:
    """Refuses assertions that come too often before anything of them is read."""

    @web.middleware
    async def limited(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path == TOKEN_PATH:
            guard.check(request)
        return await handler(request)

    return limited
