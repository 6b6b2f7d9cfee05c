"""Each device gets the room key before a message goes out, or is owed it until it has it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import vodozemac

from messenger_core.matrix.encryption.reading import KeyMissing
from messenger_core.matrix.faults import NothingEncrypted, SendFailed, StoreUnwritable
from sandbox.encrypted_client import EncryptedClient, run_client
from sandbox.headless_sign_in import SignedIn
from sandbox.key_sign_in import sign_in_with_key
from tests.bare_homeserver import CLIENT_ID, SERVER_NAME, Homeserver
from tests.clients.hostile_client import HostileClient, run_hostile_client
from tests.messenger_core.matrix.encryption_scene import Bot, FailingCalls, open_bot
from tests.messenger_core.matrix.identity_scene import Account

_CLAIM, _SHARE, _QUERY = "/keys/claim", "/sendToDevice/m.room.encrypted", "/keys/query"


@pytest.fixture
def account(homeserver: Homeserver, tmp_path: Path) -> Account:
    return Account(homeserver, tmp_path)


@pytest.fixture
async def bot(account: Account) -> AsyncIterator[Bot]:
    async with open_bot(account) as bot:
        await bot.sync()
        yield bot


async def room_with(bot: Bot, *people: EncryptedClient, **settings: object) -> str:
    """An encrypted room of the account's with people who have joined."""
    room = await bot.make_room(*(person.signed_in.user_id for person in people), **settings)
    for person in people:
        await person.wait_for_invitation(bot.device.user_id)
        await person.join(room)
    await bot.sync()
    return room


async def sign_in(homeserver: Homeserver, name: str, device_id: str | None = None) -> SignedIn:
    return await sign_in_with_key(
        homeserver.url,
        user_id=name if name.startswith("@") else f"@{name}:{SERVER_NAME}",
        client_id=CLIENT_ID,
        key=homeserver.key,
        device_id=device_id,
    )


async def raw_device(homeserver: Homeserver, stack: AsyncExitStack, user_id: str) -> HostileClient:
    """A device of somebody's that does nothing by itself."""
    return await stack.enter_async_context(run_hostile_client(homeserver.url, await sign_in(homeserver, user_id)))


async def arrives(person: EncryptedClient, event_id: str, body: str) -> None:
    """Waits until somebody can read an event."""
    seen = await person.wait_for(lambda seen: seen.event_id == event_id, f"'{body}'")
    assert (seen.body, seen.encrypted) == (body, True)


def recipients(calls: FailingCalls) -> list[tuple[str, str]]:
    """Who was sent something encrypted, in order."""
    return [
        (owner, device)
        for path, body in zip(calls.paths, calls.bodies, strict=True)
        if _SHARE in path
        for owner, devices in json.loads(body)["messages"].items()
        for device in devices
    ]


# -- row 7: claims that fail ------------------------------------------------------------------------------------------


async def test_row_07_a_failed_claim_does_not_lock_the_room(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[_CLAIM] = SendFailed("no answer")
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
    calls.failing[_CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 500)
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
    maintained = await bot.maintain()
    assert maintained.delivered == {owed[0]["session_id"]}
    assert maintained.owed == 0
    await arrives(person, sent, "late but there")


# -- row 8: devices that do not get the key ---------------------------------------------------------------------------


async def test_row_08_a_device_without_one_time_keys_is_owed_the_key_and_gets_it_later(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with AsyncExitStack() as stack:
        room = await room_with(bot, person)
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish({"device_keys": second.device_keys()})
        await bot.sync()
        name = (person.signed_in.user_id, second.signed_in.device_id)
        first = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "one"})
        again = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "two"})
        assert first.unreached == again.unreached == {name}
        assert first.session_id == again.session_id
        assert await bot.device.still_owed([first.session_id, "x"]) == {first.session_id}
        (owed,) = await bot.rows("owed_key")
        assert (owed["owner"], owed["device_id"], owed["message_index"]) == (*name, 0)
        await arrives(person, await bot.put(room, first.content), "one")

        # It is tried again with growing pauses, and not before their end.
        calls = FailingCalls(bot.calls)
        assert (await bot.maintain()).owed == 1
        assert calls.count(_CLAIM) == 1
        await bot.maintain()
        assert calls.count(_CLAIM) == 1
        bot.clock.ahead += timedelta(minutes=1)
        await bot.maintain()
        assert calls.count(_CLAIM) == 2
        (owed,) = await bot.rows("owed_key")
        assert owed["attempts"] == 2

        await second.publish()
        bot.clock.ahead += timedelta(hours=2)
        maintained = await bot.maintain()
        assert maintained.delivered == {first.session_id}
        assert recipients(calls) == [name]
        assert await bot.rows("owed_key") == []
        third = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "three"})
        assert (third.session_id, third.unreached) == (first.session_id, frozenset())


async def test_row_08_an_owed_key_survives_a_restart_and_reads_from_its_message_on(
    account: Account, person: EncryptedClient
) -> None:
    async with open_bot(account) as bot:
        await bot.sync()
        room = await room_with(bot, person)
        calls = FailingCalls(bot.calls)
        calls.failing[_CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 400)
        sent = await bot.send(room, "before the restart")
        (owed,) = await bot.rows("owed_key")
    async with open_bot(account) as bot:
        await bot.sync()
        maintained = await bot.maintain()
        assert maintained.delivered == {owed["session_id"]}
    await arrives(person, sent, "before the restart")


async def test_row_08_a_share_whose_answer_is_lost_is_repeated_unchanged(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[_SHARE] = SendFailed("no answer")
    for _ in range(3):
        with pytest.raises(SendFailed):
            await bot.send(room, "waits")
    tries = [(path, body) for path, body in zip(calls.paths, calls.bodies, strict=True) if _SHARE in path]
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
    calls.failing[_SHARE] = SendFailed("no answer")
    for _ in range(2):
        with pytest.raises(SendFailed):
            await bot.device.encrypt(room, "m.room.message", {"body": "nobody could read this"})
    calls.failing.clear()
    await arrives(person, await bot.send(room, "two"), "two")


async def test_row_08_while_a_members_homeserver_is_away_the_others_are_written_to_and_she_is_owed_the_key(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    original, asked = bot.calls.post, 0

    async def away(path: str, body: Any, **more: Any) -> dict[str, Any]:
        nonlocal asked
        if _QUERY not in path:
            return await original(path, body, **more)
        asked += 1
        return {"device_keys": {}, "failures": {SERVER_NAME: {}}}

    bot.calls.post = away  # type: ignore[method-assign]
    encrypted = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "later"})
    assert encrypted.unreached == {(bot.device.user_id, "*"), (person.signed_in.user_id, "*")}
    sent = await bot.put(room, encrypted.content)
    await bot.sync()
    again = await bot.device.encrypt(room, "m.room.message", {"body": "once more"})
    assert again.session_id == encrypted.session_id
    assert asked == 1, "a homeserver that is away does not hold every message up"
    assert (await bot.maintain()).owed == 2

    bot.calls.post = original  # type: ignore[method-assign]
    bot.device._parts.devices._put_off.clear()
    bot.clock.ahead += timedelta(minutes=1)
    await bot.sync()
    maintained = await bot.maintain()
    assert maintained.delivered == {encrypted.session_id}
    assert maintained.owed == 0
    await arrives(person, sent, "later")


async def test_row_08_a_share_that_is_refused_for_good_is_owed_and_does_not_hold_the_room_up(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[_SHARE] = SendFailed("the homeserver refused", "M_TOO_LARGE", 413)
    sent = await bot.send(room, "for later")
    assert len(await bot.rows("owed_key")) == 1
    calls.failing.clear()
    assert (await bot.maintain()).owed == 0
    await arrives(person, sent, "for later")


async def test_row_08_what_a_device_that_is_no_more_was_owed_is_settled(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver
) -> None:
    async with AsyncExitStack() as stack:
        room = await room_with(bot, person)
        second = await raw_device(homeserver, stack, person.signed_in.user_id)
        await second.publish({"device_keys": second.device_keys()})
        await bot.sync()
        encrypted = await bot.device.encrypt(room, "m.room.message", {"body": "one"})
        assert encrypted.unreached
        await second.call("POST", "/_matrix/client/v3/logout")
        await bot.sync()
        assert (await bot.maintain()).delivered == {encrypted.session_id}


async def test_row_08_a_key_that_is_lost_with_an_earlier_device_is_said_to_be_hopeless(
    bot: Bot, person: EncryptedClient
) -> None:
    room = await room_with(bot, person)
    calls = FailingCalls(bot.calls)
    calls.failing[_CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 400)
    encrypted = await bot.device.encrypt(room, "m.room.message", {"body": "x"})
    assert encrypted.unreached
    calls.failing.clear()
    bot.device._own.machine.sql("DELETE FROM outbound_key")
    maintained = await bot.maintain()
    assert maintained.hopeless == {encrypted.session_id}
    assert maintained.delivered == frozenset()
    assert await bot.rows("owed_key") == []


async def test_old_keys_of_ours_are_forgotten_unless_somebody_is_owed_them(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    reached = await bot.device.encrypt(room, "m.room.message", {"body": "x"})
    calls = FailingCalls(bot.calls)
    calls.failing[_CLAIM] = SendFailed("the homeserver refused", "M_UNKNOWN", 400)
    bot.device._own.machine.sql("DELETE FROM olmsessions")
    bot.device._own.machine.forget_memory()
    bot.device.membership_changed(room)
    owed = await bot.device.encrypt(room, "m.room.message", {"body": "x"})

    def kept() -> set[str]:
        return {row[0] for row in bot.device._own.machine.sql("SELECT session_id FROM outbound_key")}

    await bot.maintain()
    assert kept() == {reached.session_id, owed.session_id}
    bot.clock.ahead += timedelta(days=15)
    await bot.maintain()
    assert kept() == {owed.session_id}


# -- row 9 and 10: who gets it ----------------------------------------------------------------------------------------


async def test_row_09_every_device_gets_the_key_verified_or_not(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    tablet = await sign_in(homeserver, person.signed_in.user_id)
    async with run_client(homeserver.url, tablet, tmp_path / "tablet") as second:
        room = await room_with(bot, person)
        await second.wait_until_in(room, bot.device.user_id)
        encrypted = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "both"})
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
            if _QUERY in path:
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
        first = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "one"})
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
            second_sent = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "two"})
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
        before = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "one"})
        await arrives(old, await bot.put(room, before.content), "one")
    await old.call("POST", "/_matrix/client/v3/logout")
    signed_in = await sign_in(homeserver, user_id, "THEPHONE")
    async with run_client(homeserver.url, signed_in, tmp_path / "new") as new:
        await new.wait_until_in(room, bot.device.user_id)
        await bot.sync()
        after = await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "two"})
        # The old keys must not read on: their owner may have thrown the device away.
        assert after.session_id != before.session_id
        assert after.unreached == frozenset()
        await arrives(new, await bot.put(room, after.content), "two")
        answer = await new.send_text(room, "readable as well")
        assert (await bot.read(answer)).event["content"]["body"] == "readable as well"
    assert "identity keys changed" in caplog.text
    assert user_id not in caplog.text
    assert "THEPHONE" not in caplog.text


# -- row 14: asking for keys ------------------------------------------------------------------------------------------


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
        with pytest.raises(KeyMissing):
            bot.device.read(room_id, source)
        calls = FailingCalls(bot.calls)
        await bot.device.ask_for_key(room_id, source)
        await bot.device.ask_for_key(room_id, source)
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
        encrypted = await bot.device.encrypt(room, "m.room.message", {"body": "hello"})
        calls = FailingCalls(bot.calls)
        for one in (reader, stranger):
            await one.aim(bot.device.user_id)
            body = {"algorithm": "m.megolm.v1.aes-sha2", "room_id": room, "session_id": encrypted.session_id}
            wish = {"action": "request", "request_id": "1", "requesting_device_id": one.signed_in.device_id}
            await one.to_device("m.room_key_request", wish | {"body": body})
        await bot.sync()
        await bot.maintain()
        assert recipients(calls) == [(reader.signed_in.user_id, reader.signed_in.device_id)]


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


# -- when a key changes -----------------------------------------------------------------------------------------------


async def test_the_key_changes_when_somebody_leaves_a_device_goes_or_it_is_used_up(
    bot: Bot, person: EncryptedClient, homeserver: Homeserver, tmp_path: Path
) -> None:
    tablet = await sign_in(homeserver, person.signed_in.user_id)
    async with run_client(homeserver.url, tablet, tmp_path / "tablet") as second:
        room = await room_with(bot, person, rotation_period_msgs=3, rotation_period_ms=24 * 60 * 60 * 1000)
        await second.wait_until_in(room, bot.device.user_id)
        await bot.sync()

        async def session() -> str:
            return (await bot.device.encrypt(room, "m.room.message", {"body": "x"})).session_id

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
    assert (await bot.device.encrypt(room, "m.room.message", {"body": "x"})).unreached == frozenset()
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
        await bot.device.encrypt(room, "m.room.message", {"body": "secret"})


async def test_relations_stand_in_clear_and_nothing_else(bot: Bot, person: EncryptedClient) -> None:
    room = await room_with(bot, person)
    relation = {"rel_type": "m.thread", "event_id": "$root"}
    content = {"msgtype": "m.text", "body": "secret", "m.relates_to": relation}
    encrypted = await bot.device.encrypt(room, "m.room.message", content)
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
    await bot.device.encrypt(room, "m.room.message", {"body": "x"})
    calls, statements = FailingCalls(bot.calls), 0
    original = bot.device._own.machine.sql

    def counted(*arguments: Any) -> Any:
        nonlocal statements
        statements += 1
        return original(*arguments)

    bot.device._own.machine.sql = counted  # type: ignore[assignment,method-assign]
    started = time.perf_counter()
    for _ in range(1000):
        await bot.device.encrypt(room, "m.room.message", {"msgtype": "m.text", "body": "x" * 200})
    took = time.perf_counter() - started
    assert calls.paths == []
    assert statements == 0
    # 300 a second are wanted; a tenth of it even on a busy machine.
    assert took < 1000 / 30


# -- broken Olm sessions ----------------------------------------------------------------------------------------------


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
    with pytest.raises(KeyMissing):
        bot.device.read(room_id, source)
    calls = FailingCalls(bot.calls)
    await bot.maintain()
    assert recipients(calls) == [(person.signed_in.user_id, person.signed_in.device_id)]
    await bot.maintain()
    assert calls.count(_CLAIM) == 1, "once"
    deadline = time.monotonic() + 60
    while len(person._nio.olm.session_store[machine.curve25519]) < 2:
        assert time.monotonic() < deadline, "the person's client did not hear of the new session"
        await asyncio.sleep(0.05)
    person._nio.olm.outbound_group_sessions.clear()
    assert (await bot.read(await person.send_text(room, "four"))).event["content"]["body"] == "four"


# -- a full disk ------------------------------------------------------------------------------------------------------


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
    assert calls.count(_SHARE) == 0
    await arrives(person, await bot.send(room, "now"), "now")
