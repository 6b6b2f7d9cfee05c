"""Each device in the room gets the room key before a message goes out, whatever happened before."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from messenger_core.matrix.faults import SendFailed
from sandbox.encrypted_client import EncryptedClient, run_client
from tests.bare_homeserver import SERVER_NAME, Homeserver
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls, open_bot
from tests.messenger_core.matrix.identity_scene import Account
from tests.messenger_core.matrix.sharing_scene import (
    CLAIM,
    QUERY,
    arrives,
    raw_device,
    recipients,
    room_with,
    sign_in,
)

# -- row 7: claims that fail ------------------------------------------------------------------------------------------


async def test_row_07_a_failed_claim_does_not_lock_the_room(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[CLAIM] = SendFailed("no answer")
    for _ in range(2):
        with pytest.raises(SendFailed):
            await bot.send(room, "lost")
    assert await bot.rows("owed_key") == []
    calls.failing.clear()
    await arrives(person, await bot.send(room, "after the outage"), "after the outage")


async def test_row_07_a_homeserver_that_cannot_hand_out_keys_does_not_hold_messages_up_for_ever(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 500)
    sent = None
    for _ in range(10):
        try:
            sent = await bot.send(room, "late but there")
        except SendFailed:
            continue
        break
    assert sent is not None
    owed = await bot.rows("owed_key")
    assert [(row["owner"], row["device_id"]) for row in owed] == [
        (person.signed_in.user_id, person.signed_in.device_id)
    ]
    calls.failing.clear()
    await bot.maintain()
    assert await bot.rows("owed_key") == []
    await arrives(person, sent, "late but there")


# -- row 9 and 10: who gets it ----------------------------------------------------------------------------------------


async def test_row_09_every_device_gets_the_key_verified_or_not(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    tablet = await sign_in(homeserver, person.signed_in.user_id)
    async with run_client(homeserver.url, tablet, tmp_path / "tablet") as second:
        room = await room_with(bot, person)
        await second.wait_until_in(room, bot.device.user_id)
        encrypted = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "both"})
        assert encrypted.unreached == frozenset()
        sent = await bot.put(room, encrypted.content)
        await arrives(person, sent, "both")
        await arrives(second, sent, "both")


async def test_row_10_an_answer_reaches_the_device_from_which_somebody_just_wrote(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    room = await room_with(bot, person)
    await arrives(person, await bot.send(room, "to the first device"), "to the first device")
    tablet = await sign_in(homeserver, person.signed_in.user_id)
    async with run_client(homeserver.url, tablet, tmp_path / "tablet") as second:
        await second.wait_until_in(room, bot.device.user_id)
        question = await second.send_text(room, "from the second device")
        # The answer leaves as soon as the question is read, with nothing in between.
        assert (await bot.read(question)).event["content"]["body"] == "from the second device"
        sent = await bot.send(room, "to both")
        await arrives(second, sent, "to both")
        await arrives(person, sent, "to both")


async def test_row_10_a_change_that_comes_while_the_devices_are_asked_for_is_not_lost(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with AsyncExitStack() as stack:
        room = await room_with(bot, person)
        await bot.send(room, "first")
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish()
        await bot.sync()
        original = bot.calls.post

        async def meanwhile(path: str, body: Any, **more: Any) -> dict[str, Any]:
            answer = await original(path, body, **more)
            if QUERY in path:
                bot.calls.post = original  # type: ignore[method-assign]
                third = await raw_device(homeserver, stack, person.signed_in.user_id)
                await third.publish()
                names.append((third.signed_in.user_id, third.signed_in.device_id))
                await bot.sync()
            return answer

        names: list[tuple[str, str]] = []
        bot.calls.post = meanwhile  # type: ignore[method-assign]
        calls = FailingCalls(bot.calls)
        await bot.send(room, "second")
        await bot.send(room, "third")
        assert len(names) == 1
        assert set(recipients(calls)) == {(second.signed_in.user_id, second.signed_in.device_id), *names}


# -- row 11: restart --------------------------------------------------------------------------------------------------


async def test_row_11_nothing_in_memory_is_needed_after_a_restart(
    account: Account, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    async with open_bot(account) as bot:
        await bot.sync()
        room = await room_with(bot, person)
        first = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "one"})
        await arrives(person, await bot.put(room, first.content), "one")
        earlier = await person.send_text(room, "before")
        await bot.event(earlier)
        since = bot.since
    # A device that appears while nobody looks.
    tablet = await sign_in(homeserver, person.signed_in.user_id)
    async with run_client(homeserver.url, tablet, tmp_path / "tablet") as second:
        await second.wait_until_in(room, account.user_id)
        async with open_bot(account) as bot:
            bot.since = since
            await bot.sync()
            second_sent = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "two"})
            assert second_sent.session_id != first.session_id, "no ratchet is used by two processes"
            sent = await bot.put(room, second_sent.content)
            await arrives(person, sent, "two")
            await arrives(second, sent, "two")
            later = await person.send_text(room, "after")
            assert (await bot.read(later)).event["content"]["body"] == "after"


async def test_row_11_without_a_position_every_device_list_is_asked_for_anew(
    account: Account, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with AsyncExitStack() as stack:
        async with open_bot(account) as bot:
            await bot.sync()
            room = await room_with(bot, person)
            await bot.send(room, "one")
            await bot.sync()
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish()
        # The service's database is lost: nothing will ever tell of the second device.
        async with open_bot(account) as bot, bot.engine.begin() as connection:
            await connection.exec_driver_sql("DELETE FROM matrix_position")
            await connection.exec_driver_sql("DELETE FROM matrix_stale_devices")
        async with open_bot(account) as bot:
            await bot.sync()
            calls = FailingCalls(bot.calls)
            await bot.send(room, "two")
            assert (second.signed_in.user_id, second.signed_in.device_id) in recipients(calls)


# -- row 13: changed identity keys ------------------------------------------------------------------------------------


async def test_row_13_a_known_device_with_new_identity_keys_gets_a_new_olm_session(
    bot: Bot, homeserver: Homeserver, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    user_id = f"@reset-{bot.calls.user_id[5:].partition(':')[0]}:{SERVER_NAME}"
    signed_in = await sign_in(homeserver, user_id, "THEPHONE")
    async with run_client(homeserver.url, signed_in, tmp_path / "old") as old:
        room = await room_with(bot, old)
        before = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "one"})
        await arrives(old, await bot.put(room, before.content), "one")
    await old.call("POST", "/_matrix/client/v3/logout")
    signed_in = await sign_in(homeserver, user_id, "THEPHONE")
    async with run_client(homeserver.url, signed_in, tmp_path / "new") as new:
        await new.wait_until_in(room, bot.device.user_id)
        await bot.sync()
        after = await bot.device.encrypt_megolm(room, "m.room.message", {"msgtype": "m.text", "body": "two"})
        # The old keys must not read on: their owner may have thrown the device away.
        assert after.session_id != before.session_id
        assert after.unreached == frozenset()
        await arrives(new, await bot.put(room, after.content), "two")
        answer = await new.send_text(room, "readable as well")
        assert (await bot.read(answer)).event["content"]["body"] == "readable as well"
    assert "identity keys changed" in caplog.text
    assert user_id not in caplog.text
    assert "THEPHONE" not in caplog.text
