"""What the rules cost: messages and invitations at bare Synapse, ours and the closest peer, in interleaved rounds.

    python benchmarks/policy_overhead.py [--quick]

The three run on copies of one database with the same settings. Team rooms of 10 and 1,000 members (with ``--quick`` 60)
are written to, agents are invited into the smaller one, and a practice is asked in chats. Each homeserver is measured
while the others rest. Prints a table and, as its last line, one JSON object: medians of the time that a client waits,
and of the processor time of the homeserver's process, which a busy machine disturbs less. Takes five minutes, and about
as long before for making the rooms.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import secrets
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import aiohttp

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.policy_scene import INVITATIONS, Scene
from benchmarks.policy_servers import PEER_IS, Side, all_sides
from benchmarks.watched_process import processor_time_s
from tests.synapse_modules.homeserver_under_test import SignedIn

_GOAL = 1.05
_NAMES = ("bare", "ours", "peer")
_WARM_UP_ROUNDS, _FEWEST_ROUNDS = 1, 3
_REST_S, _AT_REST_S, _LONGEST_REST_S = 0.01, 0.0005, 2.0
_DRAWS = 500
_CIPHERTEXT = {
    "algorithm": "m.megolm.v1.aes-sha2",
    "device_id": "DEVICE",
    "session_id": "A" * 43,
    "sender_key": "B" * 43,
    "ciphertext": "C" * 300,
}


@dataclass(frozen=True, slots=True)
class Turn:
    """Some requests of one kind at one homeserver, in seconds.

    Attributes:
        waited: until the answer, for each request.
        processor: of the homeserver's process, for one request, with what goes on after the answer.
    """

    waited: Sequence[float]
    processor: float


Turns = Mapping[str, Sequence[Turn]]
"""By the name of the figure."""


@dataclass
class Stage:
    """A homeserver and what was measured there."""

    side: Side
    scene: Scene
    http: aiohttp.ClientSession
    turns: dict[str, list[Turn]] = field(default_factory=dict)

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

    async def first_sync(self) -> None:
        """Has the homeserver read the whole state of the rooms, as it does when a client of a member signs in.

        Started anew, it would ask SQLite for 1,000 members by name at the first message: more than SQLite takes.
        """
        await self._call(self.scene.writer, "GET", "/sync?timeout=0&set_presence=offline", None)

    async def _at_rest(self) -> float:
        """Waits until the homeserver does nothing more; the processor time that it has used by then."""
        deadline, used = time.monotonic() + _LONGEST_REST_S, processor_time_s(self.side.pid)
        while time.monotonic() < deadline:
            await asyncio.sleep(_REST_S)
            before, used = used, processor_time_s(self.side.pid)
            if used - before < _AT_REST_S:
                break
        return used

    async def turn(self, what: str) -> None:
        """Some messages, or some invitations, which are declined afterwards."""
        room_id, invitations = self.scene.rooms.get(what), self.scene.invitations.get(what, ())
        used = await self._at_rest()
        if room_id is not None:
            path = f"/rooms/{quote(room_id)}/send/m.room.encrypted"
            writer = self.scene.writer
            waited = [
                await self._call(writer, "PUT", f"{path}/{secrets.token_hex(8)}", _CIPHERTEXT)
                for _ in range(INVITATIONS)
            ]
        else:
            waited = [
                await self._call(one.inviter, "POST", f"{one.path}/invite", {"user_id": one.invitee.user_id})
                for one in invitations
            ]
        processor = (await self._at_rest() - used) / len(waited)
        self.turns.setdefault(what, []).append(Turn(waited, processor))
        for one in invitations:
            await self._call(one.invitee, "POST", f"{one.path}/leave", {})
        await self._at_rest()


async def _measure(scene: Scene, sides: Sequence[Side], for_s: float) -> list[Turns]:
    """As many rounds as the time allows; each homeserver has one turn of each kind in a round, in changing order."""
    async with aiohttp.ClientSession() as http:
        stages = [Stage(side, scene, http) for side in sides]
        for stage in stages:
            await stage.first_sync()
        deadline = time.monotonic() + for_s
        for number, order in enumerate(cycle(permutations(stages))):
            if number >= _WARM_UP_ROUNDS + _FEWEST_ROUNDS and time.monotonic() > deadline:
                break
            for what in (*scene.rooms, *scene.invitations):
                for stage in order:
                    await stage.turn(what)
        return [{what: turns[_WARM_UP_ROUNDS:] for what, turns in stage.turns.items()} for stage in stages]


def _waited(turns: Sequence[Turn]) -> float:
    return statistics.median(waited for turn in turns for waited in turn.waited)


def _processor(turns: Sequence[Turn]) -> float:
    return statistics.median(turn.processor for turn in turns)


def _uncertainty(base: Sequence[Turn], other: Sequence[Turn]) -> float:
    """Half the width of the range that holds 95 of 100 ratios if the rounds are drawn anew (bootstrap)."""
    drawn = random.Random(0)  # noqa: S311 - statistics
    ratios = []
    for _ in range(_DRAWS):
        rounds = drawn.choices(range(len(base)), k=len(base))
        ratios.append(_waited([other[one] for one in rounds]) / _waited([base[one] for one in rounds]))
    low, *_, high = statistics.quantiles(ratios, n=40)
    return (high - low) / 2


def figures(measured: Sequence[Turns]) -> dict[str, float]:
    """Medians of bare Synapse, ours and the peer, and the last two as ratios to the first.

    ``WHAT`` and ``peer_WHAT`` are ratios of the time that a client waits, ``…_uncertainty`` how far they may be off,
    ``…_processor`` ratios of processor time; ``bare_WHAT_ms`` and ``bare_WHAT_processor_ms`` and their like are times.
    """
    found: dict[str, float] = {"rounds": min(len(turns) for turns in measured[0].values())}
    for what, base in measured[0].items():
        for name, turns in zip(_NAMES, measured, strict=True):
            found[f"{name}_{what}_ms"] = round(_waited(turns[what]) * 1000, 2)
            found[f"{name}_{what}_processor_ms"] = round(_processor(turns[what]) * 1000, 2)
        for prefix, turns in zip(("", "peer_"), measured[1:], strict=True):
            found[f"{prefix}{what}"] = round(_waited(turns[what]) / _waited(base), 3)
            found[f"{prefix}{what}_uncertainty"] = round(_uncertainty(base, turns[what]), 3)
            found[f"{prefix}{what}_processor"] = round(_processor(turns[what]) / _processor(base), 3)
    return found


def table(found: Mapping[str, float]) -> list[str]:
    """The figures for a person to read."""
    lines = [
        f"{'':12}{'until the answer':^48}{'processor time':^42}",
        f"{'':12}{'bare ms':>8}{'ours ms':>8}{'peer ms':>8}{'ours':>12}{'peer':>12}"
        f"{'bare ms':>10}{'ours ms':>8}{'peer ms':>8}{'ours':>8}{'peer':>8}",
    ]
    for what in [key[5:-3] for key in found if key.startswith("bare_") and not key.endswith("_processor_ms")]:
        waited = "".join(f"{found[f'{name}_{what}_ms']:>8.2f}" for name in _NAMES)
        ratios = "".join(
            f"{found[f'{prefix}{what}']:>7.3f}±{found[f'{prefix}{what}_uncertainty']:.2f}" for prefix in ("", "peer_")
        )
        processor = "".join(f"{found[f'{name}_{what}_processor_ms']:>8.2f}" for name in _NAMES)
        of_processor = "".join(f"{found[f'{prefix}{what}_processor']:>8.3f}" for prefix in ("", "peer_"))
        lines.append(f"{what:12}{waited}{ratios}  {processor}{of_processor}")
    return [
        *lines,
        f"{found['rounds']} rounds; ratios are to bare Synapse, ± of waiting is its uncertainty (95 of 100)",
        f"goal: ours at most {_GOAL} until the answer, and ahead of the peer",
        f"peer: {PEER_IS}",
    ]


def main() -> None:
    """Prints a table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds, with a smaller large room")
    members, for_s = (60, 15.0) if parser.parse_args().quick else (1000, 300.0)
    print("making the rooms", file=sys.stderr, flush=True)  # noqa: T201 - progress
    with TemporaryDirectory() as folder, all_sides(Path(folder), members) as (scene, sides):
        print(f"measuring for {for_s:.0f} seconds", file=sys.stderr, flush=True)  # noqa: T201 - progress
        measured = asyncio.run(_measure(scene, sides, for_s))
    found = figures(measured)
    print("\n".join(table(found)))  # noqa: T201 - what it is for
    print(json.dumps(found))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
