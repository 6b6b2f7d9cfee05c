"""One supervisor for every background task of the module, on Twisted's clock: none dies unseen.

What fails is logged, counted, and begun anew after a wait that grows, by the policy that the other components' tasks
follow too (``messenger_core.background``); ``/health`` answers 503 while a task is down. Every task here may begin
anew: what it does is found in the database again, so that none needs to end the process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from prometheus_client import Counter, Gauge
from synapse.module_api import ModuleApi
from twisted.internet.defer import CancelledError

from messenger_core.background import RestartPolicy
from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


_DOWN = Gauge("hek_background_task_down", "Whether the last round of a background task failed", ["task"])
_FAILURES = Counter("hek_background_task_failures", "How often a background task has failed", ["task"])


class BackgroundTasks:
    """The tasks of one process of the homeserver."""

    def __init__(self, api: ModuleApi, policy: RestartPolicy | None = None) -> None:
        self._api = api
        self._policy = policy or RestartPolicy()
        self._down: set[str] = set()
        self._failures: dict[str, int] = {}

    @property
    def names(self) -> frozenset[str]:
        """The tasks that were started."""
        return frozenset(self._failures)

    @property
    def down(self) -> frozenset[str]:
        """The tasks whose last round failed; a task that ends well, or whose next round does, is so no longer."""
        return frozenset(self._down)

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each task has failed, by name."""
        return MappingProxyType(self._failures)

    def once(self, name: str, work: Work) -> None:
        """Does something until it has succeeded once.

        Args:
            name: in logs, figures and ``/health``; unique in the process.
            work: what is done.

        Raises:
            ValueError: if a task of this name was started before.
        """
        self._start(name, work, None)

    def repeat(self, name: str, work: Work, pause_s: float | Callable[[], float]) -> None:
        """Does something at once, and again after each pause.

        Args:
            name: as above.
            work: one round.
            pause_s: the pause after a round that succeeded, in seconds, or what says how long it is then.

        Raises:
            ValueError: if a task of this name was started before.
        """
        self._start(name, work, pause_s if callable(pause_s) else lambda: pause_s)

    def _start(self, name: str, work: Work, pause_s: Callable[[], float] | None) -> None:
        if name in self._failures:
            raise ValueError(f"a background task named {name} was started before")
        self._failures[name] = 0
        _DOWN.labels(name).set(0)
        _FAILURES.labels(name).inc(0)
        self._api.delayed_background_call(0, self._supervise, name, work, pause_s, desc=name)

    async def _supervise(self, name: str, work: Work, pause_s: Callable[[], float] | None) -> None:
        failures = 0
        while True:
            started = time.monotonic()
            try:
                await work()
                wait_s = None if pause_s is None else pause_s()
            except (Exception, CancelledError) as fault:  # noqa: BLE001 - whatever it was, the task begins anew
                failures = self._policy.failures_in_a_row(failures, time.monotonic() - started)
                self._failures[name] += 1
                self._down.add(name)
                _DOWN.labels(name).set(1)
                _FAILURES.labels(name).inc()
                wait_s = self._policy.wait_s(failures)
                logger.error(  # noqa: TRY400 - texts may hold names
                    "%s failed, and begins anew in %.0f s: %s", name, wait_s, fault_without_text(fault)
                )
            else:
                failures = 0
                self._down.discard(name)
                _DOWN.labels(name).set(0)
            if wait_s is None:
                return
            await self._api.sleep(wait_s)
