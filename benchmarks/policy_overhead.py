"""What the rules cost: messages and invitations at bare Synapse, ours and the closest peer, in interleaved rounds.

    python benchmarks/policy_overhead.py [--quick]

The three run on copies of one database with the same settings, on PostgreSQL where it is installed. Team rooms of 10
and 1,000 members (with ``--quick`` 40) are written to, agents are invited there (into the larger one on PostgreSQL
alone), and a patient writes to a practice and asks another one. The homeservers are asked in turn, each while the
others rest; root's run before whatever else the machine does. Prints a table and, as its last line, one JSON object:
medians of the time that a client waits, and of the processor time. Measures for five minutes, after making the rooms,
which takes about four.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import secrets
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, cycle, permutations
from operator import attrgetter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import aiohttp

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.policy_scene import INVITATIONS, Scene
from benchmarks.policy_servers import PEER_IS, Comparison, Side, all_sides
from benchmarks.precedence import kept_apart, precedence
from benchmarks.watched_process import processor_time_s
from tests.synapse_modules.homeserver_under_test import SignedIn

_GOAL = 1.05
_NOT_FIRST = "whatever else the machine does disturbs: this user may not let what is measured run before it (root may)"
_NAMES = ("bare", "ours", "peer")
_WARM_UP_ROUNDS, _FEWEST_ROUNDS = 6, 3
_LOOK_S, _AT_REST_S, _LOOKS_AT_REST = 0.004, 0.0002, 2
_LONGEST_REST_S = 30.0
_DRAWS = 500
_CIPHERTEXT = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "device_id": "DEVICE",
    "session_id": "A" * 43,
    "sender_key": "B" * 43,
    "ciphertext": "C" * 300,
}


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one request, in seconds.

    Attributes:
        waited: until the answer.
        processor: processor time of the homeserver and its database, with what goes on after the answer.
    """

    waited: float
    processor: float


Pairs = Sequence[float]
Rounds = Mapping[str, Sequence[Sequence[Cost]]]
"""By the name of the figure, what the requests of each round cost."""


@dataclass
class Stage:
    """A homeserver and what was measured there."""

    side: Side
    scene: Scene
    http: aiohttp.ClientSession
    rounds: dict[str, list[list[Cost]]] = field(default_factory=dict)
    processes: Sequence[int] = ()

    async def _call(self, who: SignedIn, method: str, path: str, body: object) -> float:
        """A call of Matrix's client interface that must succeed; how long it took."""
        headers = {"Authorization": f"Bearer {who.access_token}"}
        address = f"{self.side.url}/_matrix/client/v3{path}"
        started = time.perf_counter()
        async with self.http.request(method, address, json=body, headers=headers) as answer:
            content: Any = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"{self.side.name}: {method} {path.split('/')[1]}: {content.get('error')}")
        return time.perf_counter() - started

    async def warm_up(self) -> None:
        """Some requests of each kind, of which the first ones take several times as long as later ones.

        Before them, the homeserver reads the whole state of the rooms, as it does when a client of a member signs in.
        Otherwise it would ask SQLite for 1,000 members by name at the first message: more than SQLite takes.
        """
        for one in self.scene.messages.values():
            await self._call(one.writer, "GET", "/sync?timeout=0&set_presence=offline", None)
        for _ in range(_WARM_UP_ROUNDS):
            for what in (*self.scene.messages, *self.scene.invitations):
                for number in range(INVITATIONS):
                    await self._ask(what, number)
                await self.decline(what)
        self.processes = [self.side.pid, *self.side.of_database()]

    def _processor_s(self) -> float:
        return sum(map(processor_time_s, self.processes))

    async def _at_rest(self) -> float:
        """Waits until the homeserver does nothing more; the processor time that it has used by then.

        Raises:
            RuntimeError: it works on and on, so that nothing can be measured.
        """
        deadline, used, looks = time.monotonic() + _LONGEST_REST_S, self._processor_s(), 0
        while looks < _LOOKS_AT_REST:
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.side.name} works although nobody asks it for anything")
            await asyncio.sleep(_LOOK_S)
            before, used = used, self._processor_s()
            looks = looks + 1 if used - before < _AT_REST_S else 0
        return used

    async def _ask(self, what: str, number: int) -> float:
        """A message or an invitation; how long it took."""
        if message := self.scene.messages.get(what):
            path = f"/rooms/{quote(message.room_id)}/send/m.room.encrypted/{secrets.token_hex(8)}"
            return await self._call(message.writer, "PUT", path, _CIPHERTEXT)
        one = self.scene.invitations[what][number]
        return await self._call(one.inviter, "POST", f"{one.path}/invite", {"user_id": one.invitee.user_id})

    async def decline(self, what: str) -> None:
        """Declines the invitations of a round, so that the next one can make them again."""
        for one in self.scene.invitations.get(what, ()):
            await self._call(one.invitee, "POST", f"{one.path}/leave", {})

    async def begin_round(self, what: str) -> None:
        """What is asked from now on belongs together, and is asked while everything rests."""
        self.rounds.setdefault(what, []).append([])
        await self._at_rest()

    async def ask(self, what: str, number: int) -> None:
        """Measures a message or an invitation; returns when everything rests again."""
        used = self._processor_s()
        waited = await self._ask(what, number)
        self.rounds[what][-1].append(Cost(waited, await self._at_rest() - used))


async def _measure(comparison: Comparison, for_s: float) -> tuple[list[Rounds], bool]:
    """As many rounds as the time allows, and whether they ran before whatever else the machine does."""
    scene, sides = comparison.scene, comparison.sides
    async with aiohttp.ClientSession() as http:
        stages = [Stage(side, scene, http) for side in sides]
        await asyncio.gather(*(stage.warm_up() for stage in stages))
        servers = [stage.side.pid for stage in stages]
        others = [os.getpid(), *chain.from_iterable(stage.side.of_database() for stage in stages)]
        with kept_apart(servers, others), precedence([*servers, *others]) as runs_first:
            await _play(stages, (*scene.messages, *scene.invitations), for_s)
        return [stage.rounds for stage in stages], runs_first


async def _play(stages: Sequence[Stage], kinds: Sequence[str], for_s: float) -> None:
    """Asks the homeservers in turn, in changing order, so that whatever disturbs hits all of them."""
    deadline, orders = time.monotonic() + for_s, cycle(permutations(stages))
    for number in count():
        if number >= _FEWEST_ROUNDS and time.monotonic() > deadline:
            return
        for what in kinds:
            await asyncio.gather(*(stage.begin_round(what) for stage in stages))
            for request in range(INVITATIONS):
                for stage in next(orders):
                    await stage.ask(what, request)
            await asyncio.gather(*(stage.decline(what) for stage in stages))


def _medians(of: Callable[[Cost], float], rounds: Sequence[Sequence[Cost]]) -> float:
    return statistics.median(of(cost) for one in rounds for cost in one)


def _pairs(of: Callable[[Cost], float], base: Sequence[Sequence[Cost]], other: Sequence[Sequence[Cost]]) -> list[Pairs]:
    """By round, the ratios of requests that were asked right after each other, so that the same disturbed both."""
    return [
        [of(theirs) / of(bare) for bare, theirs in zip(*both, strict=True)] for both in zip(base, other, strict=True)
    ]


def _uncertainty(pairs: Sequence[Pairs]) -> float:
    """Half the width of the range that holds 95 of 100 medians if the rounds are drawn anew (bootstrap)."""
    drawn = random.Random(0)  # noqa: S311 - statistics
    medians = [statistics.median(chain.from_iterable(drawn.choices(pairs, k=len(pairs)))) for _ in range(_DRAWS)]
    low, *_, high = statistics.quantiles(medians, n=40)
    return (high - low) / 2


def figures(measured: Sequence[Rounds]) -> dict[str, float]:
    """Medians of bare Synapse, ours and the peer, and medians of the ratios of the last two to bare Synapse.

    ``WHAT`` and ``peer_WHAT`` are ratios of the time that a client waits, ``…_processor`` ratios of processor time, and
    ``…_uncertainty`` how far each may be off; ``bare_WHAT_ms`` and ``bare_WHAT_processor_ms`` and their like are times.
    """
    found: dict[str, float] = {"rounds": min(len(rounds) for rounds in measured[0].values())}
    for what, base in measured[0].items():
        for suffix, of in (("", attrgetter("waited")), ("_processor", attrgetter("processor"))):
            for name, rounds in zip(_NAMES, measured, strict=True):
                found[f"{name}_{what}{suffix}_ms"] = round(_medians(of, rounds[what]) * 1000, 2)
            for prefix, rounds in zip(("", "peer_"), measured[1:], strict=True):
                pairs = _pairs(of, base, rounds[what])
                found[f"{prefix}{what}{suffix}"] = round(statistics.median(chain.from_iterable(pairs)), 3)
                found[f"{prefix}{what}{suffix}_uncertainty"] = round(_uncertainty(pairs), 3)
    return found


def table(found: Mapping[str, float], database: str, *, runs_first: bool) -> list[str]:
    """The figures for a person to read, and how they were measured."""
    half = f"{'bare ms':>9}{'ours ms':>8}{'peer ms':>8}{'ours':>13}{'peer':>13}"
    lines = [f"{'':12}{'until the answer':^51} {'processor time':^51}", f"{'':12}{half} {half}"]
    for what in [key[5:-3] for key in found if key.startswith("bare_") and not key.endswith("_processor_ms")]:
        halves = [
            f"{found[f'bare_{key}_ms']:>9.2f}{found[f'ours_{key}_ms']:>8.2f}{found[f'peer_{key}_ms']:>8.2f}"
            + "".join(f"{found[one]:>7.3f}±{found[f'{one}_uncertainty']:.3f}" for one in (key, f"peer_{key}"))
            for key in (what, f"{what}_processor")
        ]
        lines.append(f"{what:12}{' '.join(halves)}")
    return [
        *lines,
        f"{found['rounds']} rounds of {INVITATIONS} requests each; medians of times, and of ratios to bare Synapse's"
        " request right beside, ± uncertainty (95 of 100)",
        f"goal: ours at most {_GOAL} until the answer, and ahead of the peer",
        f"database: {database}",
        "what is measured runs before all else on the machine" if runs_first else _NOT_FIRST,
        f"peer: {PEER_IS}",
    ]


def main() -> None:
    """Prints a table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds, with a smaller large room")
    members, for_s = (40, 12.0) if parser.parse_args().quick else (1000, 300.0)
    print("making the rooms", file=sys.stderr, flush=True)  # noqa: T201 - progress
    with TemporaryDirectory() as folder, all_sides(Path(folder), members) as comparison:
        print(f"measuring for {for_s:.0f} seconds", file=sys.stderr, flush=True)  # noqa: T201 - progress
        measured, runs_first = asyncio.run(_measure(comparison, for_s))
    found = figures(measured)
    print("\n".join(table(found, comparison.database, runs_first=runs_first)))  # noqa: T201 - what it is for
    print(json.dumps(found | {"database": comparison.database.partition(",")[0].partition(";")[0]}))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
