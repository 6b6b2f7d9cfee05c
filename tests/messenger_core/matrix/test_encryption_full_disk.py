"""A full or faulty disk lets nothing out that was not written down."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack

import pytest

from messenger_core.matrix.faults import StoreUnwritable
from sandbox.encrypted_client import EncryptedClient
from tests.bare_homeserver import SERVER_NAME, Homeserver
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls
from tests.messenger_core.matrix.identity_scene import Account
from tests.messenger_core.matrix.sharing_scene import (
    SHARE,
    arrives,
    raw_device,
    room_with,
)


async def test_a_full_disk_keeps_the_rows_and_the_device_goes_on_when_there_is_room(
    bot: Bot, homeserver: Homeserver, account: Account
) -> None:
    async with AsyncExitStack() as stack:
        writer = await raw_device(homeserver, stack, f"@writer-{account.name}:{SERVER_NAME}")
        await writer.publish()
        room = await bot.make_room(writer.signed_in.user_id)
        await writer.join(room)
        await writer.aim(bot.device.user_id)
        sessions = [await writer.share(room) for _ in range(40)]
        machine = bot.device._own.machine
        ((pages,),) = machine.sql("PRAGMA page_count")
        machine.sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreUnwritable):
            await bot.sync()
        waiting = len(await bot.rows("to_device"))
        assert waiting >= 40
        machine.sql("PRAGMA max_page_count = 1073741823")
        learned = await bot.device.take_in()
        assert {session_id for _, session_id in learned.learned} == {session.session_id for session in sessions}
        assert await bot.rows("to_device") == []
        payload = json.dumps({"type": "m.room.message", "content": {"body": "hello"}, "room_id": room})
        event_id = await writer.send(room, "m.room.encrypted", writer.megolm(sessions[7], payload))
        assert (await bot.read(event_id)).event["content"]["body"] == "hello"


async def test_a_fault_of_the_disk_lets_nothing_out_whose_ratchet_is_not_written(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person, rotation_period_msgs=1)
    await bot.send(room, "with an earlier key")
    machine = bot.device._own.machine
    calls = FailingCalls(bot.calls)
    for _ in range(2):
        # SQLite ends the whole transaction by itself, as it may when the disk is full; the next connection is whole.
        machine.sql(
            "CREATE TEMP TRIGGER full BEFORE INSERT ON shared_with BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END"
        )
        with pytest.raises(StoreUnwritable):
            await bot.send(room, "not yet")
    assert calls.count(SHARE) == 0
    await arrives(person, await bot.send(room, "now"), "now")


async def test_a_fault_of_the_disk_while_a_broken_session_is_looked_after_is_the_disks(bot: Bot) -> None:
    machine = bot.device._own.machine
    machine.sql(
        "INSERT INTO wedged_device(owner, curve25519, since) VALUES (?, 'of no device', 1)", (bot.device.user_id,)
    )
    machine.sql(
        "CREATE TEMP TRIGGER full BEFORE DELETE ON wedged_device BEGIN SELECT RAISE(ROLLBACK, 'disk is full'); END"
    )
    with pytest.raises(StoreUnwritable):
        await bot.maintain()
    # The next connection to the file has no trigger.
    await bot.maintain()
    assert machine.sql("SELECT * FROM wedged_device") == []
