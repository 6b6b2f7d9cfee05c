"""How often something may be done: token buckets by address, by account and in all, with time as an argument.

A limit by account counts only what its owner did herself, never what somebody claims in her name: such a limit could be
filled by a stranger to keep her out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from aiohttp import web
from cachetools import LRUCache
from pydantic import Field

from messenger_core.client_address import Network, client_address, group_of
from messenger_core.problem import Problem
from messenger_core.settings import Settings

_MOST_BUCKETS = 50_000


class Rate(Settings):
    """How often: so many at once, and then so many a minute.

    Attributes:
        burst: so many may come at once after a pause.
        per_minute: so many come on in the long run.
    """

    burst: int = Field(ge=1, le=1_000_000)
    per_minute: float = Field(gt=0, le=1_000_000)


class RateSettings(Settings):
    """The limits of one kind of request.

    Attributes:
        by_address: of one address, or one IPv6 network of 64 bits.
        in_all: of everybody together.
    """

    by_address: Rate
    in_all: Rate


class Buckets:
    """One bucket a key. The keys that were used longest ago are forgotten when there are too many; theirs are full."""

    def __init__(self, rate: Rate, most: int = _MOST_BUCKETS) -> None:
        self._burst = float(rate.burst)
        self._per_s = rate.per_minute / 60
        self._levels: LRUCache[str, tuple[float, float]] = LRUCache(most)

    def wait_s(self, key: str, now_s: float) -> float:
        """How long a key has to wait until it may go on, in seconds; 0 if it may now. Takes nothing."""
        return max(0.0, (1 - self._level(key, now_s)) / self._per_s)

    def take(self, key: str, now_s: float) -> None:
        """Counts one; a bucket is never emptier than empty."""
        _, at = self._levels.get(key, (0.0, now_s))
        self._levels[key] = (max(0.0, self._level(key, now_s) - 1), max(at, now_s))

    def _level(self, key: str, now_s: float) -> float:
        level, at = self._levels.get(key, (self._burst, now_s))
        # A clock that was set back fills nothing.
        return min(self._burst, level + max(0.0, now_s - at) * self._per_s)


@dataclass(frozen=True, slots=True)
class _Limit:
    buckets: Buckets
    key: str


class RateLimiter:
    """Several limits of one kind of request; what one of them refuses counts against none.

    So an address that is over its own limit cannot use up what there is for everybody.
    """

    def __init__(self, *, by_address: Rate | None = None, by_account: Rate | None = None, in_all: Rate | None = None):
        self._by_address = Buckets(by_address) if by_address else None
        self._by_account = Buckets(by_account) if by_account else None
        self._in_all = Buckets(in_all, most=1) if in_all else None

    @classmethod
    def of(cls, settings: RateSettings) -> RateLimiter:
        """Those that settings say."""
        return cls(by_address=settings.by_address, in_all=settings.in_all)

    def take(self, now: datetime, *, address: str | None = None, account: str | None = None) -> float:
        """Counts a request, unless it has to wait.

        Args:
            now: the present moment.
            address: of ``group_of``; None leaves the limit by address out.
            account: who has proved to be its owner; None leaves the limit by account out.

        Returns:
            How long it has to wait, in seconds; 0 if it was counted.
        """
        now_s = now.timestamp()
        limits = [
            _Limit(buckets, key)
            for buckets, key in ((self._by_address, address), (self._by_account, account), (self._in_all, ""))
            if buckets is not None and key is not None
        ]
        wait_s = max((limit.buckets.wait_s(limit.key, now_s) for limit in limits), default=0.0)
        if wait_s == 0:
            for limit in limits:
                limit.buckets.take(limit.key, now_s)
        return wait_s


class TooManyRequests(Problem):
    """A request that has to wait: 429 for programs; pages catch it and show a page of their own.

    Attributes:
        retry_after_s: whole seconds.
    """

    def __init__(self, wait_s: float) -> None:
        self.retry_after_s = max(1, math.ceil(wait_s))
        super().__init__(
            429,
            "too-many-requests",
            f"There were too many requests; try again in {self.retry_after_s} seconds.",
            headers={"Retry-After": str(self.retry_after_s)},
        )


TRUSTED_PROXIES: web.AppKey[tuple[Network, ...]] = web.AppKey("trusted_proxies")


def address_of(request: web.Request) -> str:
    """What a request's address is counted as; ``X-Forwarded-For`` is believed of the application's trusted proxies."""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))
    trusted: Any = request.config_dict.get(TRUSTED_PROXIES, ())
    return group_of(client_address(request.remote, forwarded, trusted))


class RateGuard:
    """Refuses requests that come too often, by address and in all."""

    def __init__(self, limiter: RateLimiter, clock: Callable[[], datetime]) -> None:
        self._limiter = limiter
        self._clock = clock

    def check(self, request: web.Request, *, account: str | None = None) -> None:
        """Counts a request.

        Args:
            request: it.
            account: whose it is, if that is proved.

        Raises:
            TooManyRequests: if it has to wait.
        """
        wait_s = self._limiter.take(self._clock(), address=address_of(request), account=account)
        if wait_s:
            raise TooManyRequests(wait_s)
