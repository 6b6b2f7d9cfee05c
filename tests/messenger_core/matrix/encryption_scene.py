"""One account's device without the session around it: it syncs when a test says so, and is looked at from all sides."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.encryption.device import DecryptedEvent, Device, NewRoomKeys
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.store.intake import Intake
from messenger_core.matrix.store.outbox import Outbox
from messenger_core.matrix.store.tables import session_tables
from messenger_core.matrix.sync_answer import SyncAnswer, read_sync
from sandbox.encrypted_client import ENCRYPTION
from tests.messenger_core.matrix.identity_scene import STORE_KEY, Account


class Clock:
    """The present, as far as back-off is concerned."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@dataclass
class Bot:
    """The device, its connection and its database."""

    device: Device
    calls: HomeserverCalls
    engine: AsyncEngine
    clock: Clock
    since: str | None = None
    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    """Room id and raw event of whatever came."""
    answer: SyncAnswer | None = None

    async def sync(self, *, take_in: bool = True) -> NewRoomKeys | None:
        """One sync answer, written down and taken in as the session does it."""
        params = {"timeout": "0", "filter": '{"room":{"timeline":{"limit":500}}}'}
        if self.since is not None:
            params["since"] = self.since
        raw = await self.calls.get("/_matrix/client/v3/sync", params=params)
        answer = self.answer = read_sync(raw, self.calls.user_id)
        intake = Intake(self.engine, self.calls.user_id, Outbox(self.engine, self.calls.user_id))
        await intake.take_in(answer, since=self.since, device_id=self.calls.device_id, now=datetime.now(UTC))
        self.since = answer.next_batch
        for room_id in answer.rooms_with_new_readers:
            self.device.membership_changed(room_id)
        self.events += [(event.room_id, event.source) for event in answer.events]
        return await self.device.take_in() if take_in else None

    async def maintain(self) -> None:
        """Looks after the keys as the session does after a sync."""
        assert self.answer is not None
        await self.device.maintain(one_time_keys=self.answer.one_time_keys, fallback_unused=self.answer.fallback_unused)

    async def event(self, event_id: str) -> tuple[str, Mapping[str, Any]]:
        """Syncs until an event is there; its room id and the raw event."""
        async with asyncio.timeout(60):
            while True:
                for room_id, source in self.events:
                    if source["event_id"] == event_id:
                        return room_id, source
                await self.sync()

    async def read(self, event_id: str) -> DecryptedEvent:
        """Syncs until an event is there, and reads it."""
        return self.device.decrypt_megolm(*await self.event(event_id))

    async def send(self, room_id: str, body: str, **more: object) -> str:
        """Encrypts and sends a text; the event id."""
        encrypted = await self.device.encrypt_megolm(
            room_id, "m.room.message", {"msgtype": "m.text", "body": body, **more}
        )
        return await self.put(room_id, encrypted.content)

    async def put(self, room_id: str, content: Mapping[str, Any]) -> str:
        """Sends an encrypted event."""
        path = self.calls.path(
            "/_matrix/client/v3/rooms/{}/send/m.room.encrypted/{}", room_id, f"{datetime.now(UTC).timestamp()}"
        )
        return str((await self.calls.put(path, content))["event_id"])

    async def make_room(self, *invited: str, **settings: object) -> str:
        """An encrypted room."""
        encryption = {**ENCRYPTION, "content": {**ENCRYPTION["content"], **settings}}  # type: ignore[dict-item]
        body = {"preset": "private_chat", "invite": list(invited), "initial_state": [encryption]}
        return str((await self.calls.post("/_matrix/client/v3/createRoom", body))["room_id"])

    async def rows(self, table: str) -> list[dict[str, Any]]:
        """What stands in a table of the session."""
        found = getattr(session_tables(sa.MetaData()), table)
        async with self.engine.connect() as connection:
            return [dict(row._mapping) for row in await connection.execute(sa.select(found))]


@asynccontextmanager
async def open_bot(account: Account) -> AsyncIterator[Bot]:
    """The account's device as a process opens it; left as a stop of the process leaves it."""
    clock = Clock()
    async with account.calls() as calls, account.engine() as engine:
        device = await Device.open(calls, engine, account.store, STORE_KEY, clock)
        try:
            yield Bot(device, calls, engine, clock)
        finally:
            await device.close()


class FailingCalls:
    """Makes chosen requests of a connection fail, and counts all of them."""

    def __init__(self, calls: HomeserverCalls) -> None:
        self.paths: list[str] = []
        self.bodies: list[str] = []
        """The requests' bodies as JSON, in the order of ``paths``."""
        self.failing: dict[str, SendFailed] = {}
        self._call = calls._call
        calls._call = self._watched  # type: ignore[assignment,method-assign]

    async def _watched(self, method: str, path: str, body: Any, *more: Any) -> dict[str, Any]:
        self.paths.append(path)
        self.bodies.append(json.dumps(body))
        for part, fault in self.failing.items():
            if part in path:
                raise fault
        return await self._call(method, path, body, *more)

    def count(self, part: str) -> int:
        """How many requests there were whose path holds ``part``."""
        return sum(part in path for path in self.paths)
