"""How soon a lock holds: from the return of the machine's call until every process refuses, beside Synapse's own lock.

    python benchmarks/lock_latency.py [--quick]

Real PostgreSQL and Redis, a main process and two workers. Prints a table and, as its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import quote

import aiohttp

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.conftest import running_postgresql
from tests.synapse_modules.homeserver_under_test import OPERATOR, SignedIn, claims, new_kvnr
from tests.synapse_modules.session_to_lock import lock
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers, running_homeserver_with_workers

_GOAL_MS = 1000
_ASK_AGAIN_S = 0.005
_PATIENCE_S = 20.0
_POLL_MS = 60_000


@dataclass
class Measured:
    """What was measured of one kind of lock, in seconds.

    Attributes:
        call_s: how long the call took.
        refused_s: by process, from the call's return until it refused a request with 401; 0 if it did before.
        poll_s: by process, from the call's return until an open poll was ended; empty if none was.
    """

    call_s: list[float] = field(default_factory=list)
    refused_s: dict[str, list[float]] = field(default_factory=dict)
    poll_s: dict[str, list[float]] = field(default_factory=dict)


async def _until_refused(http: aiohttp.ClientSession, url: str, who: SignedIn) -> float:
    """Asks until the answer is 401; when that was."""
    headers = {"Authorization": f"Bearer {who.access_token}"}
    deadline = time.perf_counter() + _PATIENCE_S
    while time.perf_counter() < deadline:
        async with http.get(f"{url}/_matrix/client/v3/account/whoami", headers=headers) as answer:
            if answer.status == 401:
                return time.perf_counter()
        await asyncio.sleep(_ASK_AGAIN_S)
    raise TimeoutError("the lock never held")


async def _open_poll(http: aiohttp.ClientSession, url: str, who: SignedIn) -> float:
    """Polls until it is refused; when that was."""
    headers = {"Authorization": f"Bearer {who.access_token}"}
    query = "timeout=0"
    while True:
        address = f"{url}/_matrix/client/v3/sync?set_presence=offline&{query}"
        async with http.get(address, headers=headers) as answer:
            if answer.status == 401:
                return time.perf_counter()
            query = f"timeout={_POLL_MS}&since={quote((await answer.json())['next_batch'])}"


async def _one_round(
    homeserver: HomeserverWithWorkers, measured: Measured, call: Callable[[str, str], Awaitable[None]], *, polls: bool
) -> None:
    """A new person with an open poll at every process is locked.

    Args:
        homeserver: where.
        measured: takes the figures.
        call: locks somebody, by KVNR and user id.
        polls: whether polls are open and watched.
    """
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr))
    views = homeserver.views
    async with aiohttp.ClientSession() as http:
        waiting = {name: asyncio.create_task(_open_poll(http, view.url, person)) for name, view in views.items()}
        if not polls:
            for poll in waiting.values():
                poll.cancel()
        await asyncio.sleep(0.3)
        asking = [asyncio.create_task(_until_refused(http, view.url, person)) for view in views.values()]
        started = time.perf_counter()
        await call(kvnr, person.user_id)
        returned = time.perf_counter()
        measured.call_s.append(returned - started)
        for name, moment in zip(views, await asyncio.gather(*asking), strict=True):
            measured.refused_s.setdefault(name, []).append(max(0.0, moment - returned))
        if polls:
            async with asyncio.timeout(_PATIENCE_S):
                for name, poll in waiting.items():
                    measured.poll_s.setdefault(name, []).append(max(0.0, await poll - returned))


async def _measure(homeserver: HomeserverWithWorkers, rounds: int) -> tuple[Measured, Measured]:
    ours, stock = Measured(), Measured()
    operator = await homeserver.own_account(OPERATOR, "operator")
    views = list(homeserver.views.values())

    async def by_administrator(_kvnr: str, user_id: str) -> None:
        address = f"{homeserver.base}/_synapse/admin/v2/users/{quote(user_id)}"
        headers = {"Authorization": f"Bearer {operator.access_token}"}
        async with aiohttp.ClientSession() as http, http.put(address, json={"locked": True}, headers=headers) as answer:
            answer.raise_for_status()

    for number in range(-1, rounds):
        # Any process may take the machine's call.
        view = views[number % len(views)]
        await _one_round(homeserver, ours, lambda kvnr, _: lock(view, kvnr), polls=True)  # noqa: B023 - used at once
        await _one_round(homeserver, stock, by_administrator, polls=False)
        if number < 0:
            ours, stock = Measured(), Measured()
    return ours, stock


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


def _last(measured: dict[str, list[float]]) -> list[float]:
    """Of every round, when the last process followed."""
    return [max(one) for one in zip(*measured.values(), strict=True)]


def figures(ours: Measured, stock: Measured) -> dict[str, float]:
    """Milliseconds from the call's return until the last process refused, and the ratio of the medians with the call.

    The calls count in the ratio: whoever tells the processes before it returns must not look slower for that.
    """
    refused, polls, bare = _last(ours.refused_s), _last(ours.poll_s), _last(stock.refused_s)
    whole = [call + after for call, after in zip(ours.call_s, refused, strict=True)]
    bare_whole = [call + after for call, after in zip(stock.call_s, bare, strict=True)]
    return {
        "rounds": len(refused),
        "refused_median_ms": _ms(statistics.median(refused)),
        "refused_max_ms": _ms(max(refused)),
        "polls_ended_median_ms": _ms(statistics.median(polls)),
        "polls_ended_max_ms": _ms(max(polls)),
        "call_median_ms": _ms(statistics.median(ours.call_s)),
        "stock_refused_median_ms": _ms(statistics.median(bare)),
        "stock_call_median_ms": _ms(statistics.median(stock.call_s)),
        "median_ratio": round(statistics.median(whole) / statistics.median(bare_whole), 2),
    }


def table(ours: Measured, found: dict[str, float]) -> list[str]:
    """The figures for a person to read."""
    rows = [
        f"A lock, {found['rounds']:.0f} rounds: milliseconds from the call's return, median and longest",
        f"{'':10}{'requests refused':>20}{'open polls ended':>20}",
    ]
    for name, refused in ours.refused_s.items():
        polls = ours.poll_s[name]
        cells = [f"{_ms(statistics.median(one))} / {_ms(max(one))}" for one in (refused, polls)]
        rows.append(f"{name:10}{cells[0]:>20}{cells[1]:>20}")
    return [
        *rows,
        f"The call itself takes {found['call_median_ms']} ms; Synapse's own lock {found['stock_call_median_ms']} ms, "
        f"and it holds everywhere {found['stock_refused_median_ms']} ms later (its open polls go on).",
        f"Longest: {max(found['refused_max_ms'], found['polls_ended_max_ms'])} ms (goal: at most {_GOAL_MS})",
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Prints a table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds")
    rounds = 12 if parser.parse_args(arguments).quick else 100
    with (
        TemporaryDirectory() as folder,
        running_postgresql() as server,
        running_homeserver_with_workers(Path(folder), server) as homeserver,
    ):
        ours, stock = asyncio.run(_measure(homeserver, rounds))
    found = figures(ours, stock)
    print("\n".join(table(ours, found)))  # noqa: T201 - what it is for
    print(json.dumps(found))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
