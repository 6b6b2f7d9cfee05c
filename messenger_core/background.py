"""One supervisor for every background task of a component: no loop dies unseen."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType

from messenger_core.backoff import Backoff
from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

Work = Callable[[], Awaitable[None]]


class OnFault(Enum):
    """What becomes of a task that failed."""

    RESTART = auto()
    """It begins anew after a wait; whatever it does must bear that."""
    END_PROCESS = auto()
    """Going on without it would be wrong, or what it holds is lost: the process ends, and is started anew."""


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """When a failed task begins anew, and when it is believed to work again. Pure: no clock, no task.

    Attributes:
        backoff: the waits before it begins anew.
        steady_s: for how many seconds it must have run to count as working.
    """

    backoff: Backoff = field(default_factory=lambda: Backoff(first_s=1.0, most_s=60.0))
    steady_s: float = 10.0

    def failures_in_a_row(self, before: int, ran_s: float) -> int:
        """How many failures in a row there are after one more.

        Args:
            before: how many there were.
            ran_s: for how long the task ran since it was started last, in seconds.
        """
        return 1 if ran_s >= self.steady_s else before + 1

    def wait_s(self, failures: int) -> float:
        """The wait before a task that failed so often in a row begins anew, in seconds."""
        return self.backoff.wait_s(failures)


class BackgroundTaskFailed(Exception):  # noqa: N818 - reads as what happened
    """A task failed without which the process must not go on; the text is its name."""


class BackgroundTasks:
    """Runs tasks beside the requests; what fails is logged, counted, and begun anew or ends the process.

    A task ends well by returning. A cancellation that does not come from ``close`` is a fault like any other.

    Attributes:
        ended: set when a task failed without which the process must not go on.
    """

    def __init__(self, policy: RestartPolicy | None = None) -> None:
        self.ended = asyncio.Event()
        self._policy = policy or RestartPolicy()
        self._supervisors: dict[str, asyncio.Task[None]] = {}
        self._down: set[str] = set()
        self._failures: Counter[str] = Counter()
        self._fatal: str | None = None

    async def __aenter__(self) -> BackgroundTasks:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def start(self, name: str, work: Work, *, on_fault: OnFault = OnFault.RESTART) -> None:
        """Starts a task.

        Args:
            name: in logs and figures; unique in the process.
            work: is called for each start.
            on_fault: what becomes of it if it fails.

        Raises:
            ValueError: if a task of this name was started before.
        """
        if name in self._supervisors:
            raise ValueError(f"a background task named {name} was started before")
        self._failures[name] = 0
        self._supervisors[name] = asyncio.create_task(
            self._supervise(name, work, on_fault), name=f"supervisor of {name}"
        )

    @property
    def names(self) -> frozenset[str]:
        """The tasks that were started."""
        return frozenset(self._supervisors)

    @property
    def down(self) -> frozenset[str]:
        """The tasks that wait to begin anew, or have not run for long since they did; ``/health`` is 503 then."""
        return frozenset(self._down)

    @property
    def failures(self) -> Mapping[str, int]:
        """How often each task has failed, by name."""
        return MappingProxyType(self._failures)

    def raise_fault(self) -> None:
        """Ends the process's run with a fault, so that it is started anew.

        Raises:
            BackgroundTaskFailed: if a task failed without which the process must not go on.
        """
        if self._fatal is not None:
            raise BackgroundTaskFailed(self._fatal)

    async def close(self) -> None:
        """Cancels all tasks and waits until they have ended."""
        for supervisor in self._supervisors.values():
            supervisor.cancel()
        await asyncio.gather(*self._supervisors.values(), return_exceptions=True)
        # What was cancelled in the middle of a query holds its lock on a SQLite file until it is collected.
        gc.collect()

    async def _supervise(self, name: str, work: Work, on_fault: OnFault) -> None:
        loop, failures = asyncio.get_running_loop(), 0
        while True:
            started = loop.time()
            task = asyncio.create_task(_run(work), name=name)
            recovered = loop.call_later(self._policy.steady_s, self._down.discard, name)
            try:
                # Waits without taking over how it ends: a cancellation of this task and of that one are told apart.
                await asyncio.wait({task})
            finally:
                recovered.cancel()
                if not task.done():
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
            fault = asyncio.CancelledError() if task.cancelled() else task.exception()
            if fault is None:
                self._down.discard(name)
                return
            self._failures[name] += 1
            self._down.add(name)
            if on_fault is OnFault.END_PROCESS:
                logger.critical("%s failed, and the process ends: %s", name, fault_without_text(fault))
                self._fatal = name
                self.ended.set()
                return
            failures = self._policy.failures_in_a_row(failures, loop.time() - started)
            wait_s = self._policy.wait_s(failures)
            logger.error("%s failed, and begins anew in %.0f s: %s", name, wait_s, fault_without_text(fault))
            del fault, task
            await asyncio.sleep(wait_s)


async def _run(work: Work) -> None:
    await work()
