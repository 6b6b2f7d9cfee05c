"""The service under proof, a process of its own: it answers each message by what it returns, and sends its own.

``python -m tests.system.nothing_lost.service_process CONFIG.json``; it is made to be killed at any instant.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import sqlalchemy as sa
from pydantic import Field
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix import Invitation, MatrixSession, Message, ReceivedEvent, SessionSettings, ToSend
from messenger_core.matrix.store.tables import session_tables
from messenger_core.settings import Settings
from tests.system.nothing_lost import conversation

# So many of its own messages are sent again after a restart, under their old keys, and must not appear again.
_SENT_AGAIN = 3


class ServiceSettings(Settings):
    """What the process is told.

    Attributes:
        session: the account.
        database: its SQLite file.
        rooms: where it speaks by itself.
        own_a_room: how many messages of its own it sends into each.
        pause_s: how long it waits between two of them.
    """

    session: SessionSettings
    database: Path
    rooms: tuple[str, ...] = ()
    own_a_room: Annotated[int, Field(ge=0)] = 0
    pause_s: float = 0


class AnsweringService:
    """Joins every room and answers every message of a client once."""

    def __init__(self, session: MatrixSession) -> None:
        self._session = session

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        """The answer, if there is one."""
        if event.type != "m.room.message" or event.sender == self._session.user_id:
            return ()
        content = conversation.answer_to(event.event_id, event.content)
        return () if content is None else (Message(event.room_id, content),)

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Joins."""
        await self._session.join(invitation.room_id)


async def speak(session: MatrixSession, room_id: str, settings: ServiceSettings, progress: Path) -> None:
    """Sends the service's own messages into a room, from where the process before this one was."""
    done = int(progress.read_text()) if progress.exists() else 0
    for number in range(max(1, done + 1 - _SENT_AGAIN), settings.own_a_room + 1):
        await session.send(room_id, conversation.own(number), key=f"own {number} {room_id}")
        draft = progress.with_suffix(".new")
        draft.write_text(str(number))
        draft.replace(progress)
        await asyncio.sleep(settings.pause_s)


async def open_engine(database: Path) -> AsyncEngine:
    """The service's database with the session's tables."""
    engine = make_engine(f"sqlite:///{database}")
    metadata = sa.MetaData()
    session_tables(metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    return engine


async def serve(settings: ServiceSettings) -> None:
    """Runs until it is killed."""
    engine = await open_engine(settings.database)
    async with MatrixSession(settings.session, engine) as session, asyncio.TaskGroup() as tasks:
        tasks.create_task(session.run(AnsweringService(session)))
        for place, room_id in enumerate(settings.rooms):
            progress = settings.database.with_name(f"own-{place}")
            tasks.create_task(speak(session, room_id, settings, progress))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s")
    asyncio.run(serve(ServiceSettings.model_validate(json.loads(Path(sys.argv[1]).read_text()))))
