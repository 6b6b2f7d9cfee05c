"""Watches how long an event loop keeps everybody waiting: whoever holds it holds all requests of the process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client import CollectorRegistry, Gauge, Histogram

_EVERY_S = 0.005
_BUCKETS_S = (0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 5.0)


class EventLoopWatch:
    """Asks to be called a few milliseconds later, again and again, and looks how much later it is.

    Attributes:
        longest_s: the longest wait since ``begin_anew``, in seconds.
    """

    def __init__(self) -> None:
        self.longest_s = 0.0
        self._waits: Histogram | None = None
        self._timer: asyncio.TimerHandle | None = None

    def add_to(self, registry: CollectorRegistry) -> None:
        """Shows what is seen as figures for Prometheus."""
        self._waits = Histogram(
            "hek_event_loop_wait_seconds",
            "How long requests waited for the event loop.",
            registry=registry,
            buckets=_BUCKETS_S,
        )
        longest = Gauge(
            "hek_event_loop_longest_wait_seconds", "The longest wait since the last reading.", registry=registry
        )
        longest.set_function(self.begin_anew)

    def begin_anew(self) -> float:
        """The longest wait so far, in seconds, which is forgotten."""
        longest, self.longest_s = self.longest_s, 0.0
        return longest

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[EventLoopWatch]:
        """Watches as long as the context is open."""
        self._look_again()
        try:
            yield self
        finally:
            if self._timer is not None:
                self._timer.cancel()

    def _look_again(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(_EVERY_S, self._look, loop.time() + _EVERY_S)

    def _look(self, due: float) -> None:
        waited_s = max(0.0, asyncio.get_running_loop().time() - due)
        self.longest_s = max(self.longest_s, waited_s)
        if self._waits is not None:
            self._waits.observe(waited_s)
        self._look_again()
