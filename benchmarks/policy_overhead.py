"""What the rules cost: messages and invitations at bare Synapse, ours and the closest peer, in interleaved rounds.

    python benchmarks/policy_overhead.py [--quick]

Rooms of 10 and 1,000 members (with ``--quick`` 10 and 60); the peer is synapse-invite-checker, installed for the run,
with a shim for the one callback that stock Synapse lacks. Prints a table and, as its last line, one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import statistics
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import quote

import aiohttp

# It is run as a file, so Python looks for modules beside it; what it measures lies one folder up.
sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks.policy_servers import Side, Someone, all_sides, ciphertext

_GOAL = 1.05
_AT_ONCE = 5
_ENCRYPTION = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}


@dataclass
class Stage:
    """A homeserver with a small and a large room, and what was measured there, in seconds."""

    side: Side
    http: aiohttp.ClientSession
    opener: Someone
    guest: Someone
    """Who is invited into the small room, and declines, again and again."""
    rooms: Mapping[str, str]
    taken: dict[str, list[float]] = field(default_factory=dict)

    async def call(self, who: Someone, method: str, path: str, body: object) -> Any:
        """A call of Matrix's client interface that must succeed."""
        headers = {"Authorization": f"Bearer {who.access_token}"}
        address = f"{self.side.url}/_matrix/client/v3{path}"
        async with self.http.request(method, address, json=body, headers=headers) as answer:
            content = await answer.json()
            if answer.status != 200:
                raise RuntimeError(f"{self.side.name}: {method} {path.split('/')[1]}: {content.get('error')}")
            return content

    async def _timed(self, what: str, who: Someone, method: str, path: str, body: object) -> None:
        started = time.perf_counter()
        await self.call(who, method, path, body)
        self.taken.setdefault(what, []).append(time.perf_counter() - started)

    async def one_round(self, times: int) -> None:
        """Some messages in each room, and some invitations."""
        for what, room_id in self.rooms.items():
            for _ in range(times):
                path = f"/rooms/{quote(room_id)}/send/m.room.encrypted/{secrets.token_hex(8)}"
                await self._timed(what, self.opener, "PUT", path, ciphertext())
        room = f"/rooms/{quote(self.rooms['send_10'])}"
        for _ in range(times):
            await self._timed("invite", self.opener, "POST", f"{room}/invite", {"user_id": self.guest.user_id})
            await self.call(self.guest, "POST", f"{room}/leave", {})


async def _fill(stage: Stage, room_id: str, people: Sequence[Someone]) -> None:
    room, gate = f"/rooms/{quote(room_id)}", asyncio.Semaphore(_AT_ONCE)

    async def enter(somebody: Someone) -> None:
        async with gate:
            await stage.call(stage.opener, "POST", f"{room}/invite", {"user_id": somebody.user_id})
            await stage.call(somebody, "POST", f"{room}/join", {})

    await asyncio.gather(*map(enter, people))


async def _set_up(side: Side, http: aiohttp.ClientSession, members: int) -> Stage:
    """Makes people and both rooms; the opener is the tenth or last member."""
    opener, guest = await side.opener(), await side.another(members)
    # One after the other: our sign-in is a browser's way, whose provider says one person's claims at a time.
    people = [await side.another(number) for number in range(members - 1)]
    rooms: dict[str, str] = {}
    stage = Stage(side, http, opener, guest, rooms)
    for size in (10, members):
        body = {"preset": "private_chat", "room_version": "10", "initial_state": [_ENCRYPTION]}
        room_id = (await stage.call(opener, "POST", "/createRoom", body))["room_id"]
        await _fill(stage, room_id, people[: size - 1])
        rooms[f"send_{size}"] = room_id
        print(f"  {side.name}: a room of {size} members", file=sys.stderr, flush=True)  # noqa: T201 - progress
    return stage


async def _measure(sides: Sequence[Side], members: int, rounds: int, times: int) -> list[Stage]:
    async with aiohttp.ClientSession() as http:
        stages = [await _set_up(side, http, members) for side in sides]
        for stage in stages:
            await stage.one_round(times)
            stage.taken.clear()
        for number in range(rounds):
            # Everybody is first in turn, so that a busy machine treats all alike.
            for place in range(len(stages)):
                await stages[(number + place) % len(stages)].one_round(times)
        return stages


def figures(taken: Sequence[Mapping[str, Sequence[float]]]) -> dict[str, float]:
    """Medians of bare Synapse, ours and the peer, and the last two as ratios to the first."""
    base, own, others = ({what: statistics.median(values) for what, values in one.items()} for one in taken)
    found: dict[str, float] = {}
    for what in base:
        found[what] = round(own[what] / base[what], 3)
        found[f"peer_{what}"] = round(others[what] / base[what], 3)
        found |= {f"{name}_{what}_ms": round(one[what] * 1000, 2) for name, one in (("bare", base), ("ours", own))}
        found[f"peer_{what}_ms"] = round(others[what] * 1000, 2)
    return found


def table(found: Mapping[str, float]) -> list[str]:
    """The figures for a person to read."""
    lines = [f"{'':12}{'bare ms':>10}{'ours ms':>10}{'peer ms':>10}{'ours':>8}{'peer':>8}   (ratios to bare Synapse)"]
    for what in (key for key in found if not key.startswith("peer_") and not key.endswith("_ms")):
        times = "".join(f"{found[f'{name}_{what}_ms']:>10}" for name in ("bare", "ours", "peer"))
        lines.append(f"{what:12}{times}{found[what]:>8}{found[f'peer_{what}']:>8}")
    return [*lines, f"goal: ours at most {_GOAL}, and ahead of the peer"]


def main() -> None:
    """Prints a table and, as the last line, the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under 50 seconds, with a smaller large room")
    is_quick = parser.parse_args().quick
    members, rounds, times = (60, 4, 10) if is_quick else (1000, 20, 20)
    with TemporaryDirectory() as folder, all_sides(Path(folder)) as sides:
        stages = asyncio.run(_measure(sides, members, rounds, times))
    found = figures([stage.taken for stage in stages])
    print("\n".join(table(found)))  # noqa: T201 - what it is for
    print(json.dumps(found))  # noqa: T201 - as above


if __name__ == "__main__":
    main()
