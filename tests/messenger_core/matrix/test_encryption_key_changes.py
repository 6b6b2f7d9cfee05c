"""When a room's key changes, and what is encrypted with it."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from messenger_core.matrix.faults import NothingEncrypted
from sandbox.encrypted_client import EncryptedClient, run_client
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls
from tests.messenger_core.matrix.sharing_scene import (
    arrives,
    recipients,
    room_with,
    sign_in,
)


async def test_the_key_changes_when_somebody_leaves_a_device_goes_or_it_is_used_up(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    tablet = await sign_in(homeserver, person.signed_in.user_id)
    async with run_client(homeserver.url, tablet, tmp_path / "tablet") as second:
        room = await room_with(bot, person, rotation_period_msgs=3, rotation_period_ms=24 * 60 * 60 * 1000)
        await second.wait_until_in(room, bot.device.user_id)
        await bot.sync()

        async def session() -> str:
            return (await bot.device.encrypt_megolm(room, "m.room.message", {"body": "x"})).session_id

        first = await session()
        assert [await session(), await session()] == [first, first]
        used_up = await session()
        assert used_up != first, "three messages"
        bot.clock.ahead += timedelta(hours=25)
        old = await session()
        assert old != used_up, "a day"
        await second.call("POST", "/_matrix/client/v3/logout")
        await bot.sync()
        gone = await session()
        assert gone != old, "a device is no more"
        assert await session() == gone
        await person.call("POST", f"/_matrix/client/v3/rooms/{room}/leave")
        await bot.sync()
        assert await session() != gone, "somebody left"


async def test_a_member_who_left_does_not_get_the_key(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    await person.call("POST", f"/_matrix/client/v3/rooms/{room}/leave")
    await bot.sync()
    calls = FailingCalls(bot.calls)
    assert (await bot.device.encrypt_megolm(room, "m.room.message", {"body": "x"})).unreached == frozenset()
    assert recipients(calls) == []


async def test_who_is_invited_reads_what_is_written_from_then_on(bot: Bot, person: EncryptedClient) -> None:
    room = await bot.make_room(person.signed_in.user_id)
    await bot.sync()
    sent = await bot.send(room, "welcome")
    await person.wait_for_invitation(bot.device.user_id)
    await person.join(room)
    await arrives(person, sent, "welcome")


async def test_nothing_is_encrypted_for_a_room_that_is_not(bot: Bot) -> None:
    room = str((await bot.calls.post("/_matrix/client/v3/createRoom", {}))["room_id"])
    with pytest.raises(NothingEncrypted):
        await bot.device.encrypt_megolm(room, "m.room.message", {"body": "secret"})


async def test_relations_stand_in_clear_and_nothing_else(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    relation = {"rel_type": "m.thread", "event_id": "$root"}
    content = {"msgtype": "m.text", "body": "secret", "m.relates_to": relation}
    encrypted = await bot.device.encrypt_megolm(room, "m.room.message", content)
    assert encrypted.content["m.relates_to"] == relation
    assert "secret" not in json.dumps(encrypted.content)
    assert set(encrypted.content) == {
        "algorithm",
        "ciphertext",
        "device_id",
        "m.relates_to",
        "sender_key",
        "session_id",
    }


async def test_encrypting_is_fast_when_nothing_changed_and_asks_nobody(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person, rotation_period_msgs=10_000)
    await bot.device.encrypt_megolm(room, "m.room.message", {"body": "x"})
    calls, statements = FailingCalls(bot.calls), 0
    original = bot.device._own.machine.sql

    def counted(*arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return original(*arguments)

    bot.device._own.machine.sql = counted  # type: ignore[assignment,method-assign]
    started = time.perf_counter()
    for _ in range(1000):
        await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "x" * 200})
    took = time.perf_counter() - started
    assert calls.paths == []
    assert statements == 0
    # 300 a second are wanted; a tenth of it even on a busy machine.
    assert took < 1000 / 30
