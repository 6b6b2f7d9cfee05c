"""A device that cannot be given the room key is owed it until it has it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any

import pytest

from messenger_core.matrix.events import Message
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.store.outbox import Outbox, SendingState
from sandbox.encrypted_client import EncryptedClient
from tests.bare_homeserver import SERVER_NAME, Homeserver
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls, open_bot
from tests.messenger_core.matrix.identity_scene import Account
from tests.messenger_core.matrix.sharing_scene import (
    CLAIM,
    QUERY,
    SHARE,
    arrives,
    raw_device,
    recipients,
    room_with,
)


async def test_row_08_a_device_without_one_time_keys_is_owed_the_key_and_gets_it_later(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with AsyncExitStack() as stack:
        room = await room_with(bot, person)
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish({"device_keys": second.device_keys()})
        await bot.sync()
        name = (person.signed_in.user_id, second.signed_in.device_id)
        first = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "one"})
        again = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "two"})
        assert first.unreached == again.unreached == {name}
        assert first.session_id == again.session_id
        (owed,) = await bot.rows("owed_key")
        assert (owed["owner"], owed["device_id"], owed["message_index"]) == (*name, 0)
        assert owed["session_id"] == first.session_id
        await arrives(person, await bot.put(room, first.content), "one")

        # It is tried again with growing pauses, and not before their end.
        calls = FailingCalls(bot.calls)
        await bot.maintain()
        assert len(await bot.rows("owed_key")) == 1
        assert calls.count(CLAIM) == 1
        await bot.maintain()
        assert calls.count(CLAIM) == 1
        bot.clock.ahead += timedelta(minutes=1)
        await bot.maintain()
        assert calls.count(CLAIM) == 2
        (owed,) = await bot.rows("owed_key")
        assert owed["attempts"] == 2

        await second.publish()
        bot.clock.ahead += timedelta(hours=2)
        await bot.maintain()
        assert recipients(calls) == [name]
        assert await bot.rows("owed_key") == []
        third = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "three"})
        assert (third.session_id, third.unreached) == (first.session_id, frozenset())


async def test_row_08_an_owed_key_survives_a_restart_and_reads_from_its_message_on(
    account: Account, person: EncryptedClient
) -> None:
    async with open_bot(account) as bot:
        await bot.sync()
        room = await room_with(bot, person)
        calls = FailingCalls(bot.calls)
        calls.failing[CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 400)
        sent = await bot.send(room, "before the restart")
        assert len(await bot.rows("owed_key")) == 1
    async with open_bot(account) as bot:
        await bot.sync()
        await bot.maintain()
        assert await bot.rows("owed_key") == []
    await arrives(person, sent, "before the restart")


async def test_row_08_a_share_whose_answer_is_lost_is_repeated_unchanged(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[SHARE] = SendFailed("no answer")
    for _ in range(3):
        with pytest.raises(SendFailed):
            await bot.send(room, "waits")
    tries = [(path, body) for path, body in zip(calls.paths, calls.bodies, strict=True) if SHARE in path]
    assert len(tries) == 3
    assert len(set(tries)) == 1, "each attempt would move the ratchet on"
    calls.failing.clear()
    await arrives(person, await bot.send(room, "goes out"), "goes out")


async def test_row_08_no_message_goes_out_with_a_new_key_that_could_not_be_given(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person, rotation_period_msgs=1)
    await arrives(person, await bot.send(room, "one"), "one")
    calls = FailingCalls(bot.calls)
    calls.failing[SHARE] = SendFailed("no answer")
    for _ in range(2):
        with pytest.raises(SendFailed):
            await bot.device.encrypt_megolm(room, "m.room.message", {"body": "nobody could read this"})
    calls.failing.clear()
    await arrives(person, await bot.send(room, "two"), "two")


async def test_row_08_while_a_members_homeserver_is_away_the_others_are_written_to_and_she_is_owed_the_key(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    original, asked = bot.calls.post, 0

    async def away(path: str, body: Any, **more: Any) -> dict[str, Any]:
        nonlocal asked
        if QUERY not in path:
            return await original(path, body, **more)
        asked += 1
        return {"device_keys": {}, "failures": {SERVER_NAME: {}}}

    bot.calls.post = away  # type: ignore[method-assign]
    encrypted = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "later"})
    assert encrypted.unreached == {(bot.device.user_id, "*"), (person.signed_in.user_id, "*")}
    sent = await bot.put(room, encrypted.content)
    await bot.sync()
    again = await bot.device.encrypt_megolm(room, "m.room.message", {"body": "once more"})
    assert again.session_id == encrypted.session_id
    assert asked == 1, "a homeserver that is away does not hold every message up"
    await bot.maintain()
    assert len(await bot.rows("owed_key")) == 2

    bot.calls.post = original  # type: ignore[method-assign]
    bot.device._parts.devices._put_off.clear()
    bot.clock.ahead += timedelta(minutes=1)
    await bot.sync()
    await bot.maintain()
    assert await bot.rows("owed_key") == []
    await arrives(person, sent, "later")


async def test_row_08_a_share_that_is_refused_for_good_is_owed_and_does_not_hold_the_room_up(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[SHARE] = SendFailed("the homeserver refused", "M_TOO_LARGE", 413)
    sent = await bot.send(room, "for later")
    assert len(await bot.rows("owed_key")) == 1
    calls.failing.clear()
    await bot.maintain()
    assert await bot.rows("owed_key") == []
    await arrives(person, sent, "for later")


async def test_row_08_what_a_device_that_is_no_more_was_owed_is_settled(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with AsyncExitStack() as stack:
        room = await room_with(bot, person)
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish({"device_keys": second.device_keys()})
        await bot.sync()
        encrypted = await bot.device.encrypt_megolm(room, "m.room.message", {"body": "one"})
        assert encrypted.unreached
        await second.call("POST", "/_matrix/client/v3/logout")
        await bot.sync()
        await bot.maintain()
        assert await bot.rows("owed_key") == []


async def test_row_08_a_key_that_is_lost_stays_owed_until_its_device_is_no_more(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver, caplog: pytest.LogCaptureFixture
) -> None:
    async with AsyncExitStack() as stack:
        room = await room_with(bot, person)
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish({"device_keys": second.device_keys()})
        await bot.sync()
        outbox = Outbox(bot.engine, bot.device.user_id)
        row = await outbox.put(Message(room, {"body": "x"}), key="x", now=bot.clock())
        encrypted = await bot.device.encrypt_megolm(room, "m.room.message", {"body": "x"})
        assert encrypted.unreached
        await outbox.accepted(row.id, await bot.put(room, encrypted.content), encrypted.session_id, bot.clock())
        bot.device._own.machine.sql("DELETE FROM outbound_key")
        for _ in range(2):
            await bot.maintain()
            bot.clock.ahead += timedelta(days=2)
            await outbox.delivered()
            assert (await outbox.find(row.id)).state is SendingState.ACCEPTED
            assert await outbox.unreached(row.id) == 1
        assert caplog.text.count("it is lost") == 1
        assert "1 devices never get" in caplog.text
        await second.call("POST", "/_matrix/client/v3/logout")
        await bot.sync()
        await bot.maintain()
        await outbox.delivered()
        assert await bot.rows("owed_key") == []
        assert (await outbox.find(row.id)).state is SendingState.SENT


async def test_old_keys_of_ours_are_forgotten_unless_somebody_is_owed_them(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    reached = await bot.device.encrypt_megolm(room, "m.room.message", {"body": "x"})
    calls = FailingCalls(bot.calls)
    calls.failing[CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 400)
    bot.device._own.machine.sql("DELETE FROM olmsessions")
    bot.device._own.machine.forget_memory()
    bot.device.membership_changed(room)
    owed = await bot.device.encrypt_megolm(room, "m.room.message", {"body": "x"})

    def kept() -> set[str]:
        return {row[0] for row in bot.device._own.machine.sql("SELECT session_id FROM outbound_key")}

    await bot.maintain()
    assert kept() == {reached.session_id, owed.session_id}
    bot.clock.ahead += timedelta(days=15)
    await bot.maintain()
    assert kept() == {owed.session_id}
