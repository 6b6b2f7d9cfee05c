"""Echoes a second: the same clients on the same homeserver write to the session and to a bare loop, in turns."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Protocol

from benchmarks.watched_process import usage
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver, make_homeserver, unlimited
from tests.system.nothing_lost import conversation
from tests.system.nothing_lost.lean_client import LeanClient
from tests.system.nothing_lost.supervised_service import SupervisedService
from tests.system.nothing_lost.traffic import running_clients

_REPOSITORY = Path(__file__).parents[1]
_ROOMS = 8
_UNANSWERED_A_ROOM = 4
_WARM_UP_S = 0.5
_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True)
class Round:
    """One measurement.

    Attributes:
        messages_per_s: messages that came and were answered.
        processor_ms: the service's processor time for one of them.
    """

    messages_per_s: float
    processor_ms: float


@dataclass(frozen=True, slots=True)
class Side:
    """All rounds of one service."""

    rounds: tuple[Round, ...]

    @property
    def messages_per_s(self) -> float:
        """The median of the rounds."""
        return median(each.messages_per_s for each in self.rounds)

    @property
    def processor_ms(self) -> float:
        """The median of the rounds."""
        return median(each.processor_ms for each in self.rounds)


class Echo(Protocol):
    """A service that can be started and ended."""

    @property
    def pid(self) -> int:
        """Its process."""
        ...

    def start(self) -> None:
        """Starts it without waiting."""
        ...

    def kill(self) -> None:
        """Ends it."""
        ...


class BareNioEcho:
    """The process of the bare loop."""

    def __init__(self, folder: Path, settings: Mapping[str, str]) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        (folder / "config.json").write_text(json.dumps({**settings, "store": str(folder)}))

    @property
    def pid(self) -> int:
        """Its process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Starts it without waiting."""
        command = [sys.executable, "-m", "benchmarks.bare_nio_echo", str(self._folder / "config.json")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=_REPOSITORY, stdout=log, stderr=log)  # noqa: S603

    def kill(self) -> None:
        """Ends it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


class Writers:
    """Clients that write into rooms with one service, each room with a few messages unanswered at most."""

    def __init__(self, clients: Sequence[LeanClient], service: str) -> None:
        self._clients = clients
        self._service = service
        self._rooms: dict[str, LeanClient] = {}
        self._unanswered: Counter[str] = Counter()
        self._answered: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        self.answers = 0
        for client in clients:
            client.watchers.append(self._see)

    async def open_rooms(self) -> None:
        """Opens the rooms; the service is invited and has to join."""
        for number in range(_ROOMS):
            client = self._clients[number % len(self._clients)]
            self._rooms[await client.make_room(self._service)] = client

    async def until_each_room_answers(self) -> None:
        """Waits until the service has joined, and has answered a message in each room."""
        async with asyncio.timeout(_PATIENCE_S):
            for room_id, client in self._rooms.items():
                while self._service not in await client.members(room_id):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
            await asyncio.gather(*(self._write_one(room_id) for room_id in self._rooms))
            await self._until_all_is_answered()

    async def write(self, seconds: float, pid: int) -> Round:
        """Writes for so long and counts the answers, after a short warm-up that does not count."""
        writing = [asyncio.create_task(self._write_on(room_id)) for room_id in self._rooms]
        try:
            await asyncio.sleep(_WARM_UP_S)
            started, answers, used = time.monotonic(), self.answers, usage(pid).processor_s
            await asyncio.sleep(seconds)
            answered, passed = self.answers - answers, time.monotonic() - started
            used = usage(pid).processor_s - used
        finally:
            for task in writing:
                task.cancel()
            ended = await asyncio.gather(*writing, return_exceptions=True)
        assert all(isinstance(fault, asyncio.CancelledError) for fault in ended), ended
        assert answered, "the service answered nothing at all"
        await self._end_of_round()
        return Round(answered / passed, used * 1000 / answered)

    async def _end_of_round(self) -> None:
        """Lets the service answer what is under way, so that no round begins with the work of another one."""
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await self._until_all_is_answered()
        except TimeoutError:
            # The bare loop may lose a message; nobody must wait for it for ever.
            self._unanswered.clear()

    async def _write_on(self, room_id: str) -> None:
        while True:
            while self._unanswered[room_id] >= _UNANSWERED_A_ROOM:
                self._answered[room_id].clear()
                await self._answered[room_id].wait()
            # A message that is begun is ended, also when the round ends: it must not be sent half.
            await asyncio.shield(self._write_one(room_id))

    async def _write_one(self, room_id: str) -> None:
        self._unanswered[room_id] += 1
        await self._rooms[room_id].send(room_id, conversation.message(1))

    async def _until_all_is_answered(self) -> None:
        while any(count > 0 for count in self._unanswered.values()):  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.05)

    def _see(self, room_id: str, event: Mapping[str, Any]) -> None:
        if room_id in self._rooms and event["sender"] == self._service and event["type"] == "m.room.encrypted":
            self.answers += 1
            self._unanswered[room_id] -= 1
            self._answered[room_id].set()


async def compare(folder: Path, *, rounds: int, seconds: float) -> tuple[Side, Side]:
    """Measures the session and the bare loop in turns; the session's side first.

    Args:
        folder: an empty folder.
        rounds: how many of each.
        seconds: how long each one takes.
    """
    homeserver_folder = folder / "homeserver"
    homeserver_folder.mkdir()
    homeserver = make_homeserver(homeserver_folder, unlimited())
    homeserver.start()
    try:
        async with running_clients(homeserver, ["first", "second"]) as clients:
            services = await _services(folder, homeserver)
            sides: list[list[Round]] = [[] for _ in services]
            writers = [Writers(clients, user_id) for user_id in services]
            for each in writers:
                await each.open_rooms()
            for _ in range(rounds):
                for side, each, service in zip(sides, writers, services.values(), strict=True):
                    with _running(service):
                        await each.until_each_room_answers()
                        side.append(await each.write(seconds, service.pid))
        session, bare = (Side(tuple(side)) for side in sides)
        return session, bare
    finally:
        homeserver.kill()


async def _services(folder: Path, homeserver: Homeserver) -> dict[str, Echo]:
    for name in ("session", "bare"):
        (folder / name).mkdir()
    session, bare = f"@session:{SERVER_NAME}", f"@bare:{SERVER_NAME}"
    signed_in = await sign_in_with_key(homeserver.url, user_id=bare, client_id=CLIENT_ID, key=homeserver.key)
    # The session signs in by itself, but nobody can be invited who never did.
    await sign_in_with_key(homeserver.url, user_id=session, client_id=CLIENT_ID, key=homeserver.key)
    settings = {
        "homeserver": homeserver.url,
        "user_id": bare,
        "device_id": signed_in.device_id,
        "access_token": signed_in.access_token,
    }
    return {
        session: SupervisedService(folder / "session", homeserver.url, homeserver.key_file, session),
        bare: BareNioEcho(folder / "bare", settings),
    }


@contextmanager
def _running(service: Echo) -> Iterator[None]:
    service.start()
    try:
        yield
    finally:
        service.kill()
