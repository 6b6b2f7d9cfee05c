"""The device against a real Synapse and a real client: texts go both ways, in every kind of room."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from sandbox.encrypted_client import EncryptedClient
from tests.messenger_core.matrix.encryption_scene import Bot, open_bot
from tests.messenger_core.matrix.identity_scene import Account


@pytest.fixture
async def bot(account: Account) -> AsyncIterator[Bot]:
    async with open_bot(account) as bot:
        yield bot


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_texts_go_both_ways(bot: Bot, person: EncryptedClient, version: str) -> None:
    await bot.sync()
    _, answer = await person.call(
        "POST",
        "/_matrix/client/v3/createRoom",
        {
            "preset": "trusted_private_chat",
            "invite": [bot.device.user_id],
            "room_version": version,
            "initial_state": [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}],
        },
    )
    room = answer["room_id"]
    assert (":" in room) == (version != "12")
    await bot.calls.post(bot.calls.path("/_matrix/client/v3/rooms/{}/join", room), {})
    await person.wait_until_in(room, bot.device.user_id)
    readable = await bot.read(await person.send_text(room, "hello"))
    assert readable.event["content"]["body"] == "hello"
    assert readable.event["type"] == "m.room.message"
    assert readable.event["sender"] == person.signed_in.user_id
    sent = await bot.send(room, "and back")
    seen = await person.wait_for(lambda seen: seen.event_id == sent, "the answer")
    assert seen.body == "and back"
    assert seen.encrypted
