"""The Matrix session against a real Synapse and a real encrypted client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import (
    DeviceTrust,
    Invitation,
    MediaLedger,
    ReceivedEvent,
    SendFailed,
    SessionSettings,
)
from messenger_core.matrix.events import mentioning_nobody
from messenger_core.matrix.store.media_ledger import is_media_address
from sandbox.encrypted_client import EncryptedClient
from tests.messenger_core.matrix.session_scene import Service, running, shared_room, until


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
        assert [seen.content["m.mentions"] for seen in (answer, copy)] == [{}, {}]
        received = next(event for event in service.handled if event.event_id == sent)
        assert received.encrypted
        assert received.sender_trust is DeviceTrust.KNOWN
        assert service.session.fingerprints["device"] == (settings.store_directory / "device_id").read_text()
        ledger = await MediaLedger(engine).used_before(datetime.now(UTC) + timedelta(minutes=1))
        assert set(ledger[room]) == {received.content["file"]["url"], copy.content["file"]["url"]}


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

    async with running(settings, engine, Greeter):
        await shared_room(person, settings)
        await person.wait_for(lambda seen: seen.body == "welcome", "a message sent before the next sync")


async def test_an_invitation_whose_handling_fails_is_tried_again_and_holds_up_nothing(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    class Failing(Service):
        async def handle_invitation(self, invitation: Invitation) -> None:
            self.handled.append(ReceivedEvent.from_source(invitation.room_id, {}, encrypted=False))
            raise RuntimeError("not today")

    async with running(settings, engine):
        room = await shared_room(person, settings)
    async with running(settings, engine, Failing) as service:
        _, answer = await person.ask_for_chat(settings.user_id)
        await until(lambda: len(service.handled) > 1)
        await person.send_text(room, "meanwhile")
        await person.wait_for(lambda seen: seen.body == "answer to meanwhile", "the answer in another room")
    async with running(settings, engine):
        await person.wait_until_in(answer["room_id"], settings.user_id)


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
        figures = await service.session.figures()
        assert figures.parked == {"wrong_types": 1, "unknown_algorithm": 1}
        assert figures.journal["waiting_key"] == 1
        assert figures.undigested_to_device == 0


def test_nothing_mentions_anybody_unless_it_is_said() -> None:
    assert mentioning_nobody({"body": "@room"}) == {"body": "@room", "m.mentions": {}}
    assert mentioning_nobody({"m.mentions": {"user_ids": ["@x:y"]}}) == {"m.mentions": {"user_ids": ["@x:y"]}}
    edit = {"body": "* @room", "m.new_content": {"body": "@room", "formatted_body": "@room"}}
    assert mentioning_nobody(edit) == {
        "body": "* @room",
        "m.mentions": {},
        "m.new_content": {"body": "@room", "formatted_body": "@room", "m.mentions": {}},
    }
    assert edit["m.new_content"] == {"body": "@room", "formatted_body": "@room"}
