"""Tries many routes at once: each has people and rooms of its own, so that none disturbs another."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.synapse_modules.federation import Federation
from tests.system.attack_routes.judge import Judge
from tests.system.attack_routes.table import Route, Sign

AT_ONCE = 6
"""How many routes are tried at once; the homeservers have one thread each."""


@dataclass(frozen=True, slots=True)
class Trial:
    """By what the victim was reached, and what of what is at stake shows between those who may."""

    attempted: frozenset[Sign]
    permitted: frozenset[Sign]


async def _try(judge: Judge, route: Route, places: asyncio.Semaphore) -> Trial:
    async with places:
        return Trial(frozenset(await judge.attack(route)), frozenset(await judge.control(route)))


@contextmanager
def trying(federation: Federation, routes: Sequence[Route]) -> Iterator[Mapping[str, Future[Trial]]]:
    """Tries routes in their order, in a thread with a loop of its own; what came of each, by its name."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def start(work: Coroutine[Any, Any, Trial]) -> Future[Trial]:
        return asyncio.run_coroutine_threadsafe(work, loop)

    judge, places = Judge(federation), asyncio.Semaphore(AT_ONCE)
    trials = {route.name: start(_try(judge, route, places)) for route in routes}
    try:
        yield trials
    finally:
        for trial in trials.values():
            trial.cancel()
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
