"""A session that runs: the service behind it, its start and stop, and what a test does until something holds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import Invitation, MatrixSession, Message, ReceivedEvent, SessionSettings, ToSend
from messenger_core.matrix.receiving.handler import EventHandler
from sandbox.encrypted_client import EncryptedClient


class Service:
    """Joins every room, answers a message with its text and a file with a copy of it; fails where a test says so."""

    def __init__(self, session: MatrixSession) -> None:
        self.session = session
        self.handled: list[ReceivedEvent] = []
        self.faults: dict[str, list[Exception]] = {}
        """By the body of a message: what is raised instead of handling it, one each time."""

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        body = str(event.content.get("body"))
        if faults := self.faults.get(body):
            raise faults.pop()
        self.handled.append(event)
        if event.type != "m.room.message" or event.redacted:
            return ()
        if "file" in event.content:
            async with self.session.fetch(event.room_id, event.content, event.sent_at) as file:
                await self.session.send_file(event.room_id, file, key=f"copy {event.event_id}")
            return ()
        return [Message(event.room_id, {"msgtype": "m.notice", "body": f"answer to {body}"})]

    async def handle_invitation(self, invitation: Invitation) -> None:
        await self.session.join(invitation.room_id)

    @property
    def bodies(self) -> list[str]:
        """The messages that were handled, in order."""
        return [str(event.content.get("body")) for event in self.handled if event.type == "m.room.message"]


@asynccontextmanager
async def running(
    settings: SessionSettings, engine: AsyncEngine, service: type[Service] = Service
) -> AsyncIterator[Service]:
    """The service, from its start to its stop; a session that ended by itself fails the test."""
    async with MatrixSession(settings, engine) as session:
        made = service(session)
        async with handed_over(session, made):
            yield made


@asynccontextmanager
async def handed_over(session: MatrixSession, handler: EventHandler) -> AsyncIterator[None]:
    """An open session runs beside the block and is stopped after it; raises how it ended otherwise."""
    task = asyncio.create_task(session.run(handler))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()
            raise AssertionError("the session ended by itself")


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits, generously, until something holds."""
    async with asyncio.timeout(60):
        while True:
            result = holds()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.05)


async def shared_room(person: EncryptedClient, settings: SessionSettings) -> str:
    """A room that the person opens with the service, once it has joined."""
    _, answer = await person.ask_for_chat(settings.user_id)
    room = str(answer["room_id"])
    await person.wait_until_in(room, settings.user_id)
    return room


async def answers_what_came_while_away(person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine) -> None:
    """More than a limited timeline holds is written while the service is stopped; each is answered once, in order."""
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        await person.send_text(room, "before")
        await person.wait_for(lambda seen: seen.body == "answer to before", "the first answer")
    # More than a limited timeline of the homeserver's usual size, so that the gap must be filled.
    texts = [f"while away {number}" for number in range(130)]
    for text in texts:
        await person.send_text(room, text)
    async with running(settings, engine) as service:
        await person.wait_for(lambda seen: seen.body == f"answer to {texts[-1]}", "the last answer")
    assert service.bodies == texts
    answers = [seen.body for seen in person.seen if seen.sender == settings.user_id and "away" in seen.body]
    assert answers == [f"answer to {text}" for text in texts]
