"""Outages that last longer than the homeserver remembers, and disks that are full: still once, still in order."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import MatrixSession, Message, ReceivedEvent, SessionSettings, ToSend
from messenger_core.matrix.clock import present
from tests.bare_homeserver import CLIENT_ID, Homeserver, make_homeserver, unlimited
from tests.messenger_core.matrix.session_scene import handed_over
from tests.system.nothing_lost import conversation
from tests.system.nothing_lost.judgement import JudgedRoom, judge_room
from tests.system.nothing_lost.lean_client import LeanClient
from tests.system.nothing_lost.losing_proxy import LosingProxy, losing_proxy
from tests.system.nothing_lost.records import encrypted_events, forget_transactions, service_records
from tests.system.nothing_lost.service_process import AnsweringService, open_engine
from tests.system.nothing_lost.supervised_service import SERVICE
from tests.system.nothing_lost.traffic import Room, running_clients

_PATIENCE_S = 120
_ANY_SIZE = 2**30
# A sync brings 100 of them; what it leaves out takes three pages of at most 100 each.
_MISSED = 350


@dataclass
class Scene:
    """A homeserver behind a proxy that loses answers, a client, and a room with the service."""

    homeserver: Homeserver
    proxy: LosingProxy
    client: LeanClient
    room: Room
    settings: SessionSettings
    database: Path

    async def write(self, messages: int) -> None:
        """Sends so many messages into the room."""
        sent = self.room.sent[self.client.user_id]
        for number in range(messages):
            sent.append(await self.client.send(self.room.room_id, conversation.message(number)))

    def judged(self, *, own: int = 0) -> JudgedRoom:
        """What the homeserver holds and the client can read."""
        return judge_room(self.room, encrypted_events(self.homeserver.database), SERVICE, own)

    async def restart_homeserver_after_a_day(self) -> None:
        """The homeserver comes back and has forgotten every transaction."""
        await asyncio.to_thread(self.homeserver.stop)
        assert forget_transactions(self.homeserver.database) > 0
        await asyncio.to_thread(self.homeserver.start)
        self.proxy.mend()

    @asynccontextmanager
    async def service(self, engine: AsyncEngine | None = None) -> AsyncIterator[MatrixSession]:
        """The service from its start to its end."""
        opened = engine or await open_engine(self.database)
        try:
            async with (
                MatrixSession(self.settings, opened) as session,
                handed_over(session, AnsweringService(session)),
            ):
                yield session
        finally:
            if engine is None:
                await opened.dispose()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not holds():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.1)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """Everything is up, and the service has joined."""
    for name in ("homeserver", "service"):
        (tmp_path / name).mkdir()
    async with losing_proxy() as proxy:
        homeserver = make_homeserver(tmp_path / "homeserver", unlimited(), public_url=proxy.url)
        proxy.upstream = homeserver.url
        await asyncio.to_thread(homeserver.start)
        try:
            async with running_clients(homeserver, ["person"], proxy.url) as (client,):
                secret = tmp_path / "store-key"
                secret.write_text("only for this test")
                settings = SessionSettings(
                    homeserver=proxy.url,
                    user_id=SERVICE,
                    client_id=CLIENT_ID,
                    key_file=homeserver.key_file,
                    store_directory=tmp_path / "service" / "store",
                    store_key_file=secret,
                )
                room = Room("", (client,), {client.user_id: []})
                scene = Scene(homeserver, proxy, client, room, settings, tmp_path / "service" / "service.db")
                async with scene.service():
                    room.room_id = await client.make_room(SERVICE)
                    async with asyncio.timeout(_PATIENCE_S):
                        while SERVICE not in await client.members(room.room_id):  # noqa: ASYNC110
                            await asyncio.sleep(0.1)
                    await scene.write(3)
                    await until(lambda: scene.judged().handled.faultless)
                yield scene
        finally:
            await asyncio.to_thread(homeserver.kill)


async def test_an_answer_that_was_lost_a_day_ago_is_not_given_again(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = timedelta()

    def later() -> datetime:
        return present() + passed

    monkeypatch.setattr("messenger_core.matrix.session.present", later)
    async with scene.service():
        scene.proxy.lose_answer_to(b"de.hek.sending_id")
        await scene.write(1)
        await scene.proxy.lost.wait()
        passed = timedelta(hours=25)
        await scene.restart_homeserver_after_a_day()
        await scene.write(2)
        await until(lambda: scene.judged().handled.lost == 0 and service_records(scene.database).at_rest)
    assert scene.judged().handled.faultless
    assert scene.judged().handled.expected == 6


@pytest.mark.parametrize("device", ["the same device", "another device"])
async def test_what_was_sent_before_the_service_died_is_not_sent_again_after_a_day(scene: Scene, device: str) -> None:
    async with scene.service() as session:
        scene.proxy.lose_answer_to(b"de.hek.sending_id")
        sending = asyncio.create_task(session.send(scene.room.room_id, conversation.own(1), key="own 1"))
        await scene.proxy.lost.wait()
        sending.cancel()
    if device == "another device":
        shutil.rmtree(scene.settings.store_directory)
    await scene.restart_homeserver_after_a_day()
    async with scene.service() as session:
        await session.send(scene.room.room_id, conversation.own(1), key="own 1")
        await session.send(scene.room.room_id, conversation.own(2), key="own 2")
        await scene.write(2)
        await until(lambda: scene.judged().handled.lost == 0 and service_records(scene.database).at_rest)
    judged = scene.judged(own=2)
    assert judged.own.faultless, judged
    assert judged.handled.faultless, judged
    assert judged.unreadable == 0


async def test_pages_of_messages_that_came_in_a_week_away_are_handled_in_order(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    handled: list[str] = []
    answer = AnsweringService.handle

    async def seldom(service: AnsweringService, event: ReceivedEvent) -> Sequence[ToSend]:
        answers: Sequence[Any] = await answer(service, event)
        if answers:
            handled.append(event.event_id)
        return [said for said in answers if isinstance(said, Message) and len(handled) % 100 == 0]

    monkeypatch.setattr(AnsweringService, "handle", seldom)
    before = len(scene.room.sent[scene.client.user_id])
    await scene.write(_MISSED)
    async with scene.service():
        await until(lambda: len(handled) >= _MISSED)
        await until(lambda: service_records(scene.database).at_rest)
    assert handled == scene.room.sent[scene.client.user_id][before:]


async def test_a_full_disk_is_waited_out(scene: Scene) -> None:
    engine = await open_engine(scene.database)
    most_pages = _ANY_SIZE
    refused = 0

    @sa.event.listens_for(engine.sync_engine, "begin")
    def _limit(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {most_pages}")

    @sa.event.listens_for(engine.sync_engine, "handle_error")
    def _count(context: sa.ExceptionContext) -> None:
        nonlocal refused
        refused += "full" in str(context.original_exception)

    try:
        async with scene.service(engine):
            # SQLite takes it as "no more than there is".
            most_pages = 1
            await scene.write(100)
            await until(lambda: refused > 2)
            most_pages = _ANY_SIZE
            await scene.write(5)
            await until(lambda: scene.judged().handled.lost == 0 and service_records(scene.database).at_rest)
    finally:
        await engine.dispose()
    assert scene.judged().handled.faultless
    assert scene.judged().unreadable == 0
