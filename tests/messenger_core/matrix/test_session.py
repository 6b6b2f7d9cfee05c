"""The Matrix session against a real Synapse and a real encrypted client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import (
    DeviceTrust,
    Invitation,
    MatrixSession,
    MediaLedger,
    Message,
    ReceivedEvent,
    SendFailed,
    SessionSettings,
    ToSend,
)
from messenger_core.matrix.store.media_ledger import is_media_address
from messenger_core.settings import SettingsError
from sandbox.encrypted_client import EncryptedClient, run_client
from sandbox.key_sign_in import sign_in_with_key

if TYPE_CHECKING:
    from tests.bare_homeserver import Homeserver


class Service:
    """Joins every room and answers every message with its text; fails where a message says so."""

    def __init__(self, session: MatrixSession) -> None:
        self.session = session
        self.handled: list[ReceivedEvent] = []
        self.failing = True

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        if event.type != "m.room.message" or event.redacted:
            self.handled.append(event)
            return ()
        if event.content["body"] == "poison" and self.failing:
            raise RuntimeError("poison")
        self.handled.append(event)
        if "file" in event.content:
            async with self.session.fetch(event.room_id, event.content, event.sent_at) as file:
                await self.session.send_file(event.room_id, file, key=f"copy {event.event_id}")
            return ()
        return [Message(event.room_id, {"msgtype": "m.notice", "body": f"answer to {event.content['body']}"})]

    async def handle_invitation(self, invitation: Invitation) -> None:
        await self.session.join(invitation.room_id)


@asynccontextmanager
async def running(settings: SessionSettings, engine: AsyncEngine) -> AsyncIterator[Service]:
    """The service, from its start to its stop."""
    async with MatrixSession(settings, engine) as session:
        service = Service(session)
        task = asyncio.create_task(session.run(service))
        try:
            yield service
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool | Awaitable[bool]]) -> None:
    """Waits, generously, until something holds."""
    async with asyncio.timeout(60):
        while True:
            result = holds()
            if result if isinstance(result, bool) else await result:
                return
            await asyncio.sleep(0.05)


async def shared_room(person: EncryptedClient, settings: SessionSettings) -> str:
    _, answer = await person.ask_for_chat(settings.user_id)
    room = str(answer["room_id"])
    await person.wait_until_in(room, settings.user_id)
    return room


async def test_text_and_files_go_both_ways_encrypted(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        await person.send_text(room, "hello")
        answer = await person.wait_for(lambda seen: seen.body == "answer to hello", "the answer")
        assert answer.encrypted
        data = bytes(range(256)) * 100
        sent = await person.send_file(room, data, "Befund.pdf", "application/pdf")
        copy = await person.wait_for(
            lambda seen: "file" in seen.content and seen.sender == settings.user_id, "the copy of the file"
        )
        assert await person.fetch_file(copy) == data
        assert copy.content["info"]["mimetype"] == "application/pdf"
        assert copy.body == "Befund.pdf"
        received = next(event for event in service.handled if event.event_id == sent)
        assert received.encrypted
        assert received.sender_trust is DeviceTrust.KNOWN
        assert service.session.fingerprints["device"] == (settings.store_directory / "device_id").read_text()
        ledger = await MediaLedger(engine).used_before(datetime.now(UTC) + timedelta(minutes=1))
        assert set(ledger[room]) == {received.content["file"]["url"], copy.content["file"]["url"]}


async def test_what_came_while_the_service_was_away_is_handled_once_and_in_order(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
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
        bodies = [event.content["body"] for event in service.handled if event.type == "m.room.message"]
    assert bodies == texts
    answers = [seen.body for seen in person.seen if seen.sender == settings.user_id and "away" in seen.body]
    assert answers == [f"answer to {text}" for text in texts]


async def test_a_message_whose_handling_fails_is_parked_and_tried_again_at_the_next_start(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine):
        room = await shared_room(person, settings)
        await person.send_text(room, "poison")
        await person.send_text(room, "after")
        await person.wait_for(lambda seen: seen.body == "answer to after", "the answer to what came later")
        assert not any(seen.body == "answer to poison" for seen in person.seen)
    async with MatrixSession(settings, engine) as session:
        mended = Service(session)
        mended.failing = False
        task = asyncio.create_task(session.run(mended))
        await person.wait_for(lambda seen: seen.body == "answer to poison", "the answer after the fault was mended")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_same_key_is_sent_once(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        text = {"msgtype": "m.notice", "body": "only once"}
        first = (await service.session.send(room, text, key="a key")).event_id
        assert (await service.session.send(room, text, key="a key")).event_id == first
        assert (await service.session.send(room, text, key="another key")).event_id != first
        await service.session.redact(room, first, key="delete it")
        await person.wait_for(lambda seen: seen.redacts == first, "the deletion")


async def test_a_room_is_made_once_and_is_encrypted(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        session = service.session
        room = await session.create_room("a-name", invite=[person.signed_in.user_id])
        assert await session.create_room("a-name", invite=[person.signed_in.user_id]) == room
        assert await person.wait_for_invitation(settings.user_id) == room
        found = await session.room(room)
        assert found.encrypted
        assert found.content("m.room.topic") is None
        await person.join(room)
        await session.invite(room, person.signed_in.user_id)
        assert (await session.room(room)).members[person.signed_in.user_id] == "join"
        await session.send(room, {"msgtype": "m.text", "body": "welcome"}, key="welcome")
        await person.wait_for(lambda seen: seen.body == "welcome", "a message right after the room was made")


async def test_a_message_right_after_joining_can_be_read(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    class Greeter(Service):
        async def handle_invitation(self, invitation: Invitation) -> None:
            await self.session.join(invitation.room_id)
            await self.session.send(invitation.room_id, {"msgtype": "m.text", "body": "welcome"}, key="welcome")

    async with MatrixSession(settings, engine) as session:
        task = asyncio.create_task(session.run(Greeter(session)))
        await shared_room(person, settings)
        await person.wait_for(lambda seen: seen.body == "welcome", "a message sent before the next sync")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_an_invitation_whose_handling_fails_is_tried_again_and_holds_up_nothing(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    class Failing(Service):
        async def handle_invitation(self, invitation: Invitation) -> None:
            self.handled.append(ReceivedEvent.from_source(invitation.room_id, {}, encrypted=False))
            raise RuntimeError("not today")

    async with running(settings, engine):
        room = await shared_room(person, settings)
    async with MatrixSession(settings, engine) as session:
        service = Failing(session)
        task = asyncio.create_task(session.run(service))
        _, answer = await person.ask_for_chat(settings.user_id)
        await until(lambda: len(service.handled) > 1)
        await person.send_text(room, "meanwhile")
        await person.wait_for(lambda seen: seen.body == "answer to meanwhile", "the answer in another room")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with running(settings, engine):
        await person.wait_until_in(answer["room_id"], settings.user_id)


async def test_a_restart_of_the_homeserver_is_waited_out(
    homeserver: Homeserver, person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, tmp_path: Path
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        await person.send_text(room, "before")
        await person.wait_for(lambda seen: seen.body == "answer to before", "the first answer")
        await person.close()
        await asyncio.to_thread(homeserver.stop)
        away = asyncio.create_task(
            service.session.send(room, {"msgtype": "m.text", "body": "nobody was there"}, key="away")
        )
        await asyncio.sleep(1)
        assert not away.done()
        await asyncio.to_thread(homeserver.start)
        async with run_client(homeserver.url, person.signed_in, tmp_path / "person") as again:
            await again.wait_until_in(room, settings.user_id)
            await again.send_text(room, "after")
            await again.wait_for(lambda seen: seen.body == "answer to after", "the answer after the restart")
            assert (await away).unreached == 0
            await again.wait_for(lambda seen: seen.body == "nobody was there", "what was sent during the outage")


async def test_an_ended_token_leads_to_a_new_sign_in(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, homeserver: Homeserver
) -> None:
    async with running(settings, engine):
        room = await shared_room(person, settings)
        device_id = (settings.store_directory / "device_id").read_text()
        # Signing in again on the same device ends the session's token.
        await sign_in_with_key(
            homeserver.url, user_id=settings.user_id, client_id="tester", key=homeserver.key, device_id=device_id
        )
        await person.send_text(room, "are you there?")
        await person.wait_for(lambda seen: seen.body == "answer to are you there?", "the answer with a new token")


async def test_a_member_can_be_removed(person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine) -> None:
    async with running(settings, engine) as service:
        room = await service.session.create_room("removal", invite=[person.signed_in.user_id])
        await person.wait_for_invitation(settings.user_id)
        await person.join(room)
        await service.session.remove(room, person.signed_in.user_id)
        await service.session.remove(room, person.signed_in.user_id)
        assert (await service.session.room(room)).members[person.signed_in.user_id] == "leave"


@pytest.mark.parametrize(
    "mxc", ["mxc://x/../../../../_matrix/client/v3/account/whoami", "mxc://x/a?b=c", "mxc://x", "https://x/y", 7, None]
)
async def test_what_is_no_media_address_is_neither_asked_for_nor_noted(engine: AsyncEngine, mxc: object) -> None:
    ledger = MediaLedger(engine)
    assert not is_media_address(mxc)
    await ledger.record(str(mxc), "!room:x", datetime.now(UTC))
    assert await ledger.used_before(datetime.now(UTC) + timedelta(minutes=1)) == {}


async def test_nothing_is_sent_in_clear(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        _, answer = await person.call(
            "POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat", "invite": [settings.user_id]}
        )
        room = answer["room_id"]

        async def joined() -> bool:
            _, members = await person.call("GET", f"/_matrix/client/v3/rooms/{room}/joined_members")
            return settings.user_id in members.get("joined", {})

        await until(joined)
        with pytest.raises(SendFailed, match="not encrypted"):
            await service.session.send(room, {"msgtype": "m.text", "body": "secret"}, key="clear")


async def test_a_second_process_on_the_same_store_stops_with_a_clear_message(
    settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with MatrixSession(settings, engine):
        with pytest.raises(SettingsError, match="another process"):
            async with MatrixSession(settings, engine):
                pass


async def test_an_account_that_the_homeserver_refuses_is_told(settings: SessionSettings, engine: AsyncEngine) -> None:
    wrong = settings.model_copy(update={"client_id": "stranger"})
    with pytest.raises(SettingsError, match="refuses to sign in"):
        async with MatrixSession(wrong, engine):
            pass


async def test_the_store_is_the_services_alone(settings: SessionSettings, engine: AsyncEngine) -> None:
    async with MatrixSession(settings, engine):
        assert settings.store_directory.stat().st_mode & 0o077 == 0


async def test_odd_events_do_not_stop_the_service(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        poison = {"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": "A" * 43, "ciphertext": {}}
        message = {"messages": {settings.user_id: {"*": poison}}}
        status, _ = await person.call("PUT", "/_matrix/client/v3/sendToDevice/m.room.encrypted/1", message)
        assert status == 200
        odd: list[dict[str, object]] = [
            {"algorithm": "m.megolm.v1.aes-sha2"},
            {"algorithm": 7, "ciphertext": ["x"]},
            {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "A", "sender_key": "A", "session_id": "A"},
        ]
        for number, content in enumerate(odd):
            path = f"/_matrix/client/v3/rooms/{room}/send/m.room.encrypted/odd{number}"
            assert (await person.call("PUT", path, content))[0] == 200
        await person.send_text(room, "still there?")
        await person.wait_for(lambda seen: seen.body == "answer to still there?", "the answer after the odd events")
        assert service.handled
