"""The people of the proof: encrypted clients in several rooms, each sending its messages one after the other."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.system.nothing_lost import conversation
from tests.system.nothing_lost.lean_client import LeanClient

_MOST_AHEAD = 100
_LONGEST_PAUSE_S = 60.0


@dataclass
class Room:
    """A room, who is in it, and what they sent."""

    room_id: str
    members: tuple[LeanClient, ...]
    sent: dict[str, list[str]] = field(default_factory=dict)
    """By sender: the ids of the events that the homeserver named, in the order in which they were sent."""


class Traffic:
    """All clients and all rooms."""

    def __init__(self, clients: Sequence[LeanClient], service: str) -> None:
        self._clients = clients
        self._service = service
        self.rooms: list[Room] = []
        self.from_service = 0
        """How many messages of the service the first client has received."""
        self._ahead: Counter[str] = Counter()
        """By room: how many more messages the clients sent than the service."""
        self._may_write: defaultdict[str, asyncio.Event] = defaultdict(asyncio.Event)
        clients[0].watchers.append(self._see)

    @property
    def accepted(self) -> int:
        """How many messages of the clients the homeserver has named."""
        return sum(len(ids) for room in self.rooms for ids in room.sent.values())

    @property
    def passed(self) -> int:
        """How many messages of both directions the homeserver has taken."""
        return self.accepted + self.from_service

    async def open_rooms(self, rooms: int) -> None:
        """Opens rooms of three: the service, the first client, which sees everything, and one of the others."""
        first, *others = self._clients
        for number in range(rooms):
            other = others[number % len(others)]
            room_id = await first.make_room(other.user_id, self._service)
            await other.join(room_id)
            self.rooms.append(Room(room_id, (first, other), {first.user_id: [], other.user_id: []}))

    async def wait_for_service(self) -> None:
        """Waits until the service is in every room."""
        for room in self.rooms:
            async with asyncio.timeout(_LONGEST_PAUSE_S):
                while self._service not in await room.members[0].members(room.room_id):  # noqa: ASYNC110
                    await asyncio.sleep(0.1)

    async def send(self, messages: int) -> None:
        """Sends so many messages in all, shared out evenly among the senders of all rooms."""
        for room in self.rooms:
            self._count(room.room_id, 0)
        streams = [(room, client) for room in self.rooms for client in room.members]
        share, rest = divmod(messages, len(streams))
        async with asyncio.TaskGroup() as sending:
            for place, (room, client) in enumerate(streams):
                sending.create_task(self._send(room, client, share + (place < rest)))

    async def _send(self, room: Room, client: LeanClient, messages: int) -> None:
        for number in range(messages):
            # Nobody writes on for ever without an answer; that one is lost must not stop the others.
            await self._may_write[room.room_id].wait()
            self._count(room.room_id, 1)
            room.sent[client.user_id].append(await client.send(room.room_id, conversation.message(number)))

    def _see(self, room_id: str, event: Mapping[str, Any]) -> None:
        if event["sender"] == self._service and event["type"] == "m.room.encrypted":
            self.from_service += 1
            self._count(room_id, -1)

    def _count(self, room_id: str, difference: int) -> None:
        self._ahead[room_id] += difference
        if self._ahead[room_id] < _MOST_AHEAD:
            self._may_write[room_id].set()
        else:
            self._may_write[room_id].clear()


async def a_client(homeserver: Homeserver, name: str, sign_in_at: str) -> LeanClient:
    """A client with a new device of an account."""
    user_id = f"@{name}:{SERVER_NAME}"
    signed_in = await sign_in_with_key(sign_in_at, user_id=user_id, client_id=CLIENT_ID, key=homeserver.key)
    client = LeanClient(homeserver.url, signed_in)
    await client.begin()
    return client


@asynccontextmanager
async def running_clients(
    homeserver: Homeserver, names: Sequence[str], sign_in_at: str | None = None
) -> AsyncIterator[list[LeanClient]]:
    """Clients that receive for as long as the block runs.

    Args:
        homeserver: where they are.
        names: of their accounts.
        sign_in_at: the homeserver's public address, if something stands before it.
    """
    clients = [await a_client(homeserver, name, sign_in_at or homeserver.url) for name in names]
    receiving = [asyncio.create_task(client.sync_forever()) for client in clients]
    try:
        yield clients
    finally:
        for task in receiving:
            task.cancel()
        ended = await asyncio.gather(*receiving, return_exceptions=True)
        for client in clients:
            await client.close()
        faults = [fault for fault in ended if not isinstance(fault, asyncio.CancelledError)]
        assert not faults, faults
