"""A key that is missing is asked for, and a broken channel to a device is replaced."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest
import vodozemac

from messenger_core.matrix.encryption.megolm_decryption import RoomKeyMissing
from sandbox.encrypted_client import EncryptedClient
from tests.bare_homeserver import SERVER_NAME, Homeserver
from tests.clients.hostile_client import HostileClient
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls
from tests.messenger_core.matrix.identity_scene import Account
from tests.messenger_core.matrix.sharing_scene import (
    CLAIM,
    arrives,
    raw_device,
    recipients,
    room_with,
)


async def test_row_14_the_senders_device_is_asked_for_a_missing_key_and_its_answer_is_used(
    bot: Bot, homeserver: Homeserver, account: Account
) -> None:
    async with AsyncExitStack() as stack:
        writer = await raw_device(homeserver, stack, f"@writer-{account.name}:{SERVER_NAME}")
        await writer.publish()
        room = await bot.make_room(writer.signed_in.user_id)
        await writer.join(room)
        await writer.aim(bot.device.user_id)
        session = vodozemac.GroupSession()
        payload = json.dumps({"type": "m.room.message", "content": {"body": "hello"}, "room_id": room})
        event_id = await writer.send(room, "m.room.encrypted", writer.megolm(session, payload))
        room_id, source = await bot.event(event_id)
        with pytest.raises(RoomKeyMissing):
            bot.device.decrypt_megolm(room_id, source)
        calls = FailingCalls(bot.calls)
        await bot.device.request_room_key(room_id, source)
        await bot.device.request_room_key(room_id, source)
        assert calls.count("m.room_key_request") == 1, "asked once"
        (request,) = [m for m in await _to_device(writer) if m["type"] == "m.room_key_request"]
        assert request["content"]["action"] == "request"
        assert request["content"]["requesting_device_id"] == bot.device.device_id
        assert request["content"]["body"]["session_id"] == session.session_id
        await bot.maintain()
        assert calls.count("m.room_key_request") == 1, "not before the pause is over"
        bot.clock.ahead += timedelta(minutes=1)
        await bot.maintain()
        assert calls.count("m.room_key_request") == 2, "asked again"

        answer = {
            **writer.room_key(room, session),
            "session_key": _exported(session),
            "sender_key": writer.curve25519,
            "sender_claimed_ed25519_key": writer.ed25519,
            "forwarding_curve25519_key_chain": [],
        }
        await writer.to_device("m.room.encrypted", writer.olm(writer.letter("m.forwarded_room_key", answer)))
        learned = await bot.sync()
        assert learned is not None
        assert learned.learned == {(room, session.session_id)}
        assert await bot.rows("key_request") == []
        await bot.maintain()
        assert "request_cancellation" in [m["content"].get("action") for m in await _to_device(writer)]
        later = await writer.send(room, "m.room.encrypted", writer.megolm(session, payload))
        assert (await bot.read(later)).event["content"]["body"] == "hello"


async def test_row_14_who_asks_for_a_key_that_was_meant_for_her_gets_it_again_and_nobody_else(
    bot: Bot, homeserver: Homeserver, account: Account
) -> None:
    async with AsyncExitStack() as stack:
        reader = await raw_device(homeserver, stack, f"@reader-{account.name}:{SERVER_NAME}")
        stranger = await raw_device(homeserver, stack, f"@stranger-{account.name}:{SERVER_NAME}")
        for one in (reader, stranger):
            await one.publish()
        room = await bot.make_room(reader.signed_in.user_id)
        await reader.join(room)
        await bot.sync()
        encrypted = await bot.device.encrypt_megolm(room, "m.room.message", {"body": "hello"})
        calls = FailingCalls(bot.calls)
        for one in (reader, stranger):
            await one.aim(bot.device.user_id)
            body = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": room, "session_id": encrypted.session_id}
            wish = {"action": "request", "request_id": "1", "requesting_device_id": one.signed_in.device_id}
            await one.to_device("m.room_key_request", wish | {"body": body})
        await bot.sync()
        await bot.maintain()
        assert recipients(calls) == [(reader.signed_in.user_id, reader.signed_in.device_id)]


@pytest.mark.parametrize("session_id", ["", "\x00", "a\nb", "A" * 256, 7, None])
async def test_a_key_whose_name_no_database_takes_is_not_asked_for(bot: Bot, session_id: object) -> None:
    content = {"algorithm": "m.megolm.v1.aes-sha2", "session_id": session_id, "ciphertext": "A"}
    await bot.device.request_room_key("!room:x", {"sender": "@x:x", "content": content})
    assert await bot.rows("key_request") == []


def _exported(session: vodozemac.GroupSession) -> str:
    inbound = vodozemac.InboundGroupSession(session.session_key)
    key = inbound.export_at(inbound.first_known_index)
    assert key is not None
    return str(key.to_base64())


async def _to_device(client: HostileClient) -> list[dict[str, Any]]:
    """To-device messages that wait for a device."""
    # Synapse answers the same first question from memory for a while.
    answer = await client.call("GET", f"/_matrix/client/v3/sync?timeout={time.monotonic_ns() % 1000}")
    return list(answer.get("to_device", {}).get("events", []))


async def test_a_broken_olm_session_is_replaced_and_the_next_key_comes_through(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    await bot.read(await person.send_text(room, "one"))
    await arrives(person, await bot.send(room, "two"), "two")
    # Ours are lost, as after a fault; the person's client goes on with a session that we know nothing of.
    machine = bot.device._own.machine
    machine.sql("DELETE FROM olmsessions")
    machine.forget_memory()
    person._nio.olm.outbound_group_sessions.clear()
    lost = await person.send_text(room, "three")
    room_id, source = await bot.event(lost)
    with pytest.raises(RoomKeyMissing):
        bot.device.decrypt_megolm(room_id, source)
    calls = FailingCalls(bot.calls)
    await bot.maintain()
    assert recipients(calls) == [(person.signed_in.user_id, person.signed_in.device_id)]
    await bot.maintain()
    assert calls.count(CLAIM) == 1, "once"
    deadline = time.monotonic() + 60
    while len(person._nio.olm.session_store[machine.curve25519]) < 2:
        assert time.monotonic() < deadline, "the person's client did not hear of the new session"
        await asyncio.sleep(0.05)
    person._nio.olm.outbound_group_sessions.clear()
    assert (await bot.read(await person.send_text(room, "four"))).event["content"]["body"] == "four"
