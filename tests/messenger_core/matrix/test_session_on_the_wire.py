"""What a homeserver sees of what a session sends, in rooms with and without a server name in their id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, get_args

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import (
    FileToSend,
    Message,
    ReceivedEvent,
    Redaction,
    SessionSettings,
    ToSend,
)
from messenger_core.matrix.rooms import ALL_POWER
from messenger_core.matrix.store.outbox import SENDING_ID_KEY
from sandbox.encrypted_client import ENCRYPTION, EncryptedClient
from tests.messenger_core.matrix.session_scene import Service, running, shared_room

SECRET = "Kniegelenkspunktion"
BESIDE_THE_CIPHERTEXT = {"algorithm", "device_id", "sender_key", "session_id", "m.relates_to", SENDING_ID_KEY}


class Talkative(Service):
    """Answers a message with everything that a handler can want sent."""

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        if event.type != "m.room.message":
            return ()
        root = event.event_id
        earlier = await self.session.send(event.room_id, _text("too early"), key=f"early {root}")
        file = FileToSend(SECRET.encode(), f"{SECRET}.txt", "text/plain")
        await self.session.send_file(event.room_id, file, key=f"file {root}")
        return [
            Message(event.room_id, _text("in a thread") | _relation({"rel_type": "m.thread", "event_id": root})),
            Message(event.room_id, _text("a reply") | _relation({"m.in_reply_to": {"event_id": root}})),
            Redaction(event.room_id, earlier.event_id),
            Message(event.room_id, _text("done")),
        ]


def _text(body: str) -> dict[str, Any]:
    return {"msgtype": "m.notice", "body": body, "remark": SECRET}


def _relation(relation: dict[str, Any]) -> dict[str, Any]:
    return {"m.relates_to": relation}


async def test_row_18_whatever_is_sent_is_ciphertext_or_a_deletion_and_never_a_reaction(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    assert set(get_args(ToSend)) == {Message, Redaction}, "a new kind belongs into Talkative"
    async with running(settings, engine, Talkative):
        room = await shared_room(person, settings)
        await person.send_text(room, "hello")
        await person.wait_for(lambda seen: seen.body == "done", "the last of the answers")
    status, answer = await person.call("GET", f"/_matrix/client/v3/rooms/{room}/messages?dir=b&limit=100")
    assert status == 200
    sent = [event for event in answer["chunk"] if event["sender"] == settings.user_id and "state_key" not in event]
    kinds = [event["type"] for event in sent]
    assert (kinds.count("m.room.encrypted"), kinds.count("m.room.redaction"), len(kinds)) == (5, 1, 6)
    assert SECRET not in json.dumps(sent)
    # What is deleted keeps nothing.
    contents = [event["content"] for event in sent if event["type"] == "m.room.encrypted" and event["content"]]
    assert len(contents) == 4
    assert all(content.keys() - BESIDE_THE_CIPHERTEXT == {"ciphertext"} for content in contents)
    read = [seen for seen in person.seen if seen.sender == settings.user_id and "body" in seen.content]
    assert all(seen.encrypted for seen in read)
    assert {"in a thread", "a reply", f"{SECRET}.txt", "done"} <= {seen.body for seen in read}


@pytest.mark.parametrize("version", ["10", "12"])
async def test_row_17_messages_go_both_ways_and_power_is_known_in_every_room_version(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, version: str
) -> None:
    async with running(settings, engine) as service:
        body = {
            "preset": "private_chat",
            "room_version": version,
            "invite": [settings.user_id],
            "initial_state": [ENCRYPTION],
        }
        _, made = await person.call("POST", "/_matrix/client/v3/createRoom", body)
        room_id = str(made["room_id"])
        assert (":" in room_id) == (version == "10")
        await person.wait_until_in(room_id, settings.user_id)
        await person.send_text(room_id, "hello")
        await person.wait_for(lambda seen: seen.body == "answer to hello", "the answer")
        room = await service.session.room(room_id)
        assert room.version == version
        assert room.power_of(person.signed_in.user_id) == (ALL_POWER if version == "12" else 100)
        assert room.power_of(settings.user_id) == 0
