"""None of a session's tasks dies unseen: killed one after the other, each begins anew and the chat goes on."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.background import BackgroundTasks
from messenger_core.matrix import MatrixSession, SessionSettings
from messenger_core.settings import SettingsError
from sandbox.encrypted_client import EncryptedClient
from tests.killed_tasks import QUICK, check_each_is_supervised
from tests.messenger_core.matrix.session_scene import Service, shared_room

NAMES = ("session: receiving", "session: handing events over", "session: sending", "session: looking after keys")


async def test_each_task_is_missed_while_it_is_down_and_begins_anew(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    numbers = itertools.count()
    async with MatrixSession(settings, engine) as session, BackgroundTasks(QUICK) as tasks:
        running = asyncio.create_task(session.run(Service(session), tasks))
        room = await shared_room(person, settings)

        async def works() -> None:
            text = f"message {next(numbers)}"
            await person.send_text(room, text)
            await person.wait_for(lambda seen: seen.body == f"answer to {text}", "the answer")

        await works()
        await check_each_is_supervised(tasks, NAMES, works)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_only_an_operator_can_mend_ends_the_session_with_its_sentence(
    settings: SessionSettings, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with MatrixSession(settings, engine) as session, BackgroundTasks(QUICK) as tasks:

        async def refused(*_: object) -> None:
            raise SettingsError("a sentence for the operator")

        monkeypatch.setattr("messenger_core.matrix.receiving.receiver.Receiver.run", refused)
        async with asyncio.timeout(60):
            with pytest.raises(SettingsError, match="a sentence for the operator"):
                await session.run(Service(session), tasks)
        assert tasks.failures["session: receiving"] == 0
