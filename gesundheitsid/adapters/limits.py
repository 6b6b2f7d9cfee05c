"""How often people and clients may ask the broker for what costs it, or others, something."""

from __future__ import annotations

from gesundheitsid.settings import LimitSettings
from messenger_core.clock import Clock
from messenger_core.rate_limits import RateGuard, RateLimiter


class Limits:
    """The guards, by what they guard.

    Attributes:
        sign_ins: what is stored and asks an identity provider; an account is a browser that has our cookie.
        answers: what redeems a code at an identity provider.
        failed_clients: wrong secrets and wrong access tokens.
    """

    def __init__(self, settings: LimitSettings, clock: Clock) -> None:
        sign_ins = RateLimiter(
            by_address=settings.sign_ins.by_address,
            by_account=settings.by_browser,
            in_all=settings.sign_ins.in_all,
        )
        self.sign_ins = RateGuard(sign_ins, clock)
        self.answers = RateGuard(RateLimiter.of(settings.answers), clock)
        self.failed_clients = RateGuard(RateLimiter.of(settings.failed_clients), clock)
