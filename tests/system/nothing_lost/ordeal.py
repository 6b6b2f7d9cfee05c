"""The proof itself: messages flow both ways, things are killed by a plan, then all is counted from outside."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bare_homeserver import make_homeserver, unlimited
from tests.system.nothing_lost.judgement import Outcome, judge_room
from tests.system.nothing_lost.kill_plan import Kill, Victim, draw_kills
from tests.system.nothing_lost.records import RoomEvent, encrypted_events, service_records
from tests.system.nothing_lost.supervised_service import SERVICE, SupervisedService
from tests.system.nothing_lost.tally import total
from tests.system.nothing_lost.traffic import Traffic, running_clients

_LONGEST_STANDSTILL_S = 180.0
_CALM_S = 2.0
_LOOK_EVERY_S = 0.2
_TELL_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class Scale:
    """How much happens.

    Attributes:
        messages: what the clients send; each is answered.
        own_a_room: what the service sends by itself into each room.
        own_pause_s: how long it waits between two of these.
        kills: how often something is killed.
        rooms: how many rooms.
        clients: how many clients, at least two.
    """

    messages: int
    own_a_room: int
    own_pause_s: float
    kills: int
    rooms: int
    clients: int

    @property
    def from_service(self) -> int:
        """How many messages the service sends."""
        return self.messages + self.own_a_room * self.rooms

    def again(self, seed: int) -> str:
        """The command that repeats a run of this scale with the same kills."""
        return (
            f"python -m tests.system.nothing_lost --seed {seed} --messages {self.messages} --kills {self.kills}"
            f" --rooms {self.rooms} --clients {self.clients} --own-a-room {self.own_a_room} --pause {self.own_pause_s}"
        )


class Ordeal:
    """One run in a folder of its own."""

    def __init__(self, folder: Path, scale: Scale, seed: int, tell: Callable[[str], None]) -> None:
        """Takes an empty folder; ``tell`` is called with a line of progress from time to time."""
        self._scale = scale
        self._seed = seed
        self._tell = tell
        for name in ("homeserver", "service"):
            (folder / name).mkdir()
        self._homeserver = make_homeserver(folder / "homeserver", unlimited())
        self._service = SupervisedService(folder / "service", self._homeserver.url, self._homeserver.key_file)
        self._kills = 0

    async def run(self) -> Outcome:
        """Sets everything up, lets the traffic and the kills happen, and counts."""
        self._homeserver.start()
        try:
            names = [f"client{number}" for number in range(self._scale.clients)]
            async with running_clients(self._homeserver, names) as clients:
                traffic = Traffic(clients, SERVICE)
                self._service.start()
                await traffic.open_rooms(self._scale.rooms)
                await traffic.wait_for_service()
                started = time.monotonic()
                await self._suffer(traffic)
                return self._count(traffic, time.monotonic() - started)
        finally:
            self._service.kill()
            self._homeserver.kill()

    async def _suffer(self, traffic: Traffic) -> None:
        """Traffic and kills, until all is there and the service is at rest, or nothing moves any more."""
        self._service.kill()
        self._service.configure(
            {
                "rooms": [room.room_id for room in traffic.rooms],
                "own_a_room": self._scale.own_a_room,
                "pause_s": self._scale.own_pause_s,
            }
        )
        self._service.start()
        plan = draw_kills(self._seed, kills=self._scale.kills, messages=self._scale.messages + self._scale.from_service)
        tasks = [
            asyncio.create_task(traffic.send(self._scale.messages)),
            asyncio.create_task(self._kill(plan, traffic)),
        ]
        try:
            await self._watch(tasks, traffic)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _watch(self, tasks: list[asyncio.Task[None]], traffic: Traffic) -> None:
        moved_at, before, told_at = time.monotonic(), -1, 0.0
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            self._service.revive()
            for task in tasks:
                if task.done():
                    task.result()
            now = time.monotonic()
            if traffic.passed != before:
                moved_at, before = now, traffic.passed
            if now - told_at > _TELL_EVERY_S:
                told_at = now
                self._tell(f"{traffic.accepted} sent, {traffic.from_service} from the service, {self._kills} kills")
            if now - moved_at > _CALM_S and all(task.done() for task in tasks) and self._at_rest(traffic):
                return
            if now - moved_at > _LONGEST_STANDSTILL_S:
                self._tell("nothing moves any more")
                return

    def _at_rest(self, traffic: Traffic) -> bool:
        return traffic.from_service >= self._scale.from_service and service_records(self._service.database).at_rest

    async def _kill(self, plan: list[Kill], traffic: Traffic) -> None:
        for kill in plan:
            while traffic.passed < kill.after:  # noqa: ASYNC110 - two tasks and two processes move it
                await asyncio.sleep(_LOOK_EVERY_S / 10)
            await asyncio.sleep(kill.delay_s)
            await self._carry_out(kill)

    async def _carry_out(self, kill: Kill) -> None:
        service, homeserver = kill.victim is not Victim.HOMESERVER, kill.victim is not Victim.SERVICE
        self._kills += 1
        if service:
            self._service.kill()
        if homeserver:
            self._homeserver.kill()
        await asyncio.sleep(kill.away_s)
        if homeserver:
            self._homeserver.launch()
        if service:
            self._service.start()
        if kill.again_after_s is not None:
            await asyncio.sleep(kill.again_after_s)
            self._kills += 1
            self._service.kill()
            self._service.start()

    def _count(self, traffic: Traffic, seconds: float) -> Outcome:
        events: defaultdict[str, list[RoomEvent]] = defaultdict(list)
        for event in encrypted_events(self._homeserver.database):
            events[event.room_id].append(event)
        records = service_records(self._service.database)
        judged = [judge_room(room, events[room.room_id], SERVICE, self._scale.own_a_room) for room in traffic.rooms]
        sent = {event_id for room in traffic.rooms for ids in room.sent.values() for event_id in ids}
        return Outcome(
            to_service=total(room.to_service for room in judged),
            handled=total(room.handled for room in judged),
            own=total(room.own for room in judged),
            unreadable=sum(room.unreadable for room in judged),
            unsettled=len(sent - records.settled),
            records=records,
            kills=self._kills,
            exits=tuple(self._service.exits),
            seconds=seconds,
        )
