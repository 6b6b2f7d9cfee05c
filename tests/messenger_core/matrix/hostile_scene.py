"""One running session, an honest person, and a hostile one who shares a room with both."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix import (
    FileUnreadable,
    Invitation,
    MatrixSession,
    Message,
    ReceivedEvent,
    SessionSettings,
    ToSend,
)
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.store.tables import session_tables
from sandbox.encrypted_client import ENCRYPTION, EncryptedClient, run_client
from sandbox.headless_sign_in import SignedIn
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.clients.hostile_client import HostileClient, run_hostile_client
from tests.messenger_core.matrix.conftest import make_session_tables

# Stands in every message of this scene, so that a log which quotes one is found out.
SECRET = "Kniegelenkspunktion"
MARK = "org.example.mark"
_WAIT_S = 60.0


class Service:
    """Answers every text of the honest person once, and looks at every file, as a real service would."""

    def __init__(self, session: MatrixSession, honest: str) -> None:
        self._session = session
        self._honest = honest
        self.handled: list[ReceivedEvent] = []

    async def handle(self, event: ReceivedEvent) -> list[ToSend]:
        """Notes an event that was handled; the answer names the event that it answers."""
        if event.type == "m.room.message" and ("file" in event.content or "url" in event.content):
            try:
                async with self._session.fetch(event.room_id, event.content, event.sent_at):
                    pass
            except FileUnreadable:
                pass
        self.handled.append(event)
        if event.sender == self._honest and event.encrypted:
            return [Message(event.room_id, {"msgtype": "m.notice", "body": f"answer to {event.event_id}"})]
        return []

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Accepts."""
        await self._session.join(invitation.room_id)


class Arrivals:
    """What the homeserver has really delivered to the session, read from its own syncing."""

    def __init__(self) -> None:
        self.events: dict[str, Mapping[str, Any]] = {}
        self.marks: set[str] = set()

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Looks over the session's shoulder; nothing is changed on the way."""
        get = HomeserverCalls.get

        async def watched(calls: HomeserverCalls, path: str, **options: Any) -> dict[str, Any]:
            answer = await get(calls, path, **options)
            if path.endswith("/sync"):
                self._note(answer)
            return answer

        patch.setattr(HomeserverCalls, "get", watched)

    def _note(self, answer: Mapping[str, Any]) -> None:
        for room in answer.get("rooms", {}).get("join", {}).values():
            for event in [*room.get("state", {}).get("events", []), *room["timeline"]["events"]]:
                self.events[event["event_id"]] = event
        for message in answer.get("to_device", {}).get("events", []):
            self.marks.add(str(message["content"].get(MARK)))


@dataclass
class Scene:
    """Everybody on the stage.

    Attributes:
        shared_room: all three are in it.
        quiet_room: the honest person and the session.
        hostile_room: all three are in it, and the hostile one rules it.
        own_key: the Megolm session of the hostile one in the shared room, known to the session under test.
    """

    homeserver: Homeserver
    engine: AsyncEngine
    settings: SessionSettings
    arrivals: Arrivals
    honest: EncryptedClient
    hostile: HostileClient
    service: Service | None = None
    running: asyncio.Task[None] | None = None
    shared_room: str = ""
    quiet_room: str = ""
    hostile_room: str = ""
    own_key: Any = None
    _opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def handled(self) -> Counter[str]:
        """How often each event was handed over."""
        assert self.service is not None
        return Counter(event.event_id for event in self.service.handled)

    def handled_as(self, event_id: str) -> ReceivedEvent:
        """An event as the service got it."""
        assert self.service is not None
        return next(event for event in self.service.handled if event.event_id == event_id)

    async def start(self) -> None:
        """Starts the session under test."""
        session = await self._opened.enter_async_context(MatrixSession(self.settings, self.engine))
        known = self.service.handled if self.service is not None else []
        self.service = Service(session, self.honest.signed_in.user_id)
        self.service.handled += known
        self.running = asyncio.create_task(session.run(self.service))

    async def stop(self) -> None:
        """Stops it; the others go on."""
        if self.running is not None:
            self.running.cancel()
            await asyncio.gather(self.running, return_exceptions=True)
        await self._opened.aclose()

    async def open_rooms(self) -> None:
        """Makes the three rooms and has everybody in them; the session has the hostile one's key for the shared one."""
        honest, hostile = self.honest.signed_in.user_id, self.hostile.signed_in.user_id
        self.shared_room = await self.room_of_honest([self.settings.user_id, hostile])
        self.quiet_room = await self.room_of_honest([self.settings.user_id])
        invited = [self.settings.user_id, honest]
        self.hostile_room = await self.hostile.create_room(
            {"preset": "trusted_private_chat", "invite": invited, "initial_state": [ENCRYPTION]}
        )
        await self.hostile.join(self.shared_room)
        await self.honest.join(self.hostile_room)
        for room, others in ((self.shared_room, {hostile}), (self.quiet_room, set()), (self.hostile_room, {hostile})):
            await self.honest.wait_until_in(room, self.settings.user_id, *others)
        await self.hostile.aim(self.settings.user_id)
        self.own_key = await self.hostile.share(self.shared_room)
        await self.goes_on("the scene is set")

    async def room_of_honest(self, invite: Iterable[str]) -> str:
        """A room that the honest person makes."""
        body = {"preset": "private_chat", "invite": list(invite), "initial_state": [ENCRYPTION]}
        status, answer = await self.honest.call("POST", "/_matrix/client/v3/createRoom", body)
        assert status == 200, answer
        return str(answer["room_id"])

    async def until(self, holds: Callable[[], bool | Awaitable[bool]], what: str) -> None:
        """Waits, generously, until something holds; a session that ended fails at once."""
        assert self.running is not None
        try:
            async with asyncio.timeout(_WAIT_S):
                while True:
                    result = holds()
                    if result if isinstance(result, bool) else await result:
                        return
                    assert not self.running.done(), f"the session ended: {self.running}"
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"in vain: {what}") from None

    async def to_device_taken_in(self) -> bool:
        """Whether the session has given every to-device message that came to the encryption."""
        rows = session_tables(sa.MetaData()).to_device
        async with self.engine.connect() as connection:
            return (await connection.execute(sa.select(sa.func.count()).select_from(rows))).scalar_one() == 0

    async def goes_on(self, name: str) -> None:
        """The honest person writes into both rooms and is answered, once in each; nothing was handled twice."""
        for room in (self.shared_room, self.quiet_room):
            sent = await self.honest.send_text(room, f"{SECRET} {name}")
            await self.until(lambda sent=sent: self.handled[sent] == 1, f"{name}: an honest message is handled")  # type: ignore[misc]
            answer = f"answer to {sent}"
            await self.honest.wait_for(lambda seen, answer=answer: seen.body == answer, f"{name}: the answer")  # type: ignore[misc]
        answers = Counter(seen.body for seen in self.honest.seen if seen.body.startswith("answer to "))
        assert max(answers.values()) == 1
        assert max(self.handled.values()) == 1
        await self.until(self.to_device_taken_in, "the to-device messages are used up")

    async def raw_event(self, room_id: str, event_id: str) -> dict[str, Any]:
        """An event as the homeserver has it."""
        path = f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}/event/{quote(event_id, safe='')}"
        status, event = await self.honest.call("GET", path)
        assert status == 200, event
        return event


async def device_of(homeserver: Homeserver, name: str) -> SignedIn:
    """A new device of somebody."""
    return await sign_in_with_key(
        homeserver.url, user_id=f"@{name}:{SERVER_NAME}", client_id=CLIENT_ID, key=homeserver.key
    )


def settings_of(homeserver: Homeserver, folder: Path, name: str) -> SessionSettings:
    """The account of the session under test."""
    secret = folder / "store-key"
    secret.write_text(secrets.token_hex(16))
    return SessionSettings(
        homeserver=homeserver.url,
        user_id=f"@{name}:{SERVER_NAME}",
        client_id=CLIENT_ID,
        key_file=homeserver.key_file,
        store_directory=folder / "store",
        store_key_file=secret,
    )


@asynccontextmanager
async def hostile_scene(homeserver: Homeserver, folder: Path, database: str) -> AsyncIterator[Scene]:
    """A running session, and everybody else; ``open_rooms`` brings them together."""
    suffix = secrets.token_hex(4)
    with pytest.MonkeyPatch.context() as patch:
        arrivals = Arrivals()
        arrivals.watch(patch)
        honest = await device_of(homeserver, f"honest-{suffix}")
        hostile = await device_of(homeserver, f"hostile-{suffix}")
        engine = make_engine(database)
        await make_session_tables(engine)
        async with (
            run_client(homeserver.url, honest, folder / "honest") as person,
            run_hostile_client(homeserver.url, hostile) as attacker,
        ):
            settings = settings_of(homeserver, folder, f"service-{suffix}")
            scene = Scene(homeserver, engine, settings, arrivals, person, attacker)
            # Only the session is to be tested: the honest person's own client is spared the poison.
            ignored = f"/_matrix/client/v3/user/{honest.user_id}/account_data/m.ignored_user_list"
            await person.call("PUT", ignored, {"ignored_users": {hostile.user_id: {}}})
            await attacker.publish()
            await scene.start()
            try:
                yield scene
            finally:
                await scene.stop()
                await engine.dispose()
