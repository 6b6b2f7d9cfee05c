"""One-time and fallback keys against a real Synapse: filled, refilled from nothing, and never given out twice."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messenger_core.matrix.encryption.one_time_keys import OneTimeKeys
from messenger_core.matrix.faults import SendFailed, StoreUnwritable
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.signatures.signed_json import is_signed_by
from tests.messenger_core.matrix.identity_scene import (
    MOST,
    Account,
    claim,
    drain,
    first_message,
    key_count,
    opens,
    sync,
    unused_fallback,
)


@pytest.fixture
def stranger(account: Account) -> Account:
    return Account(account.homeserver, account.folder / "stranger", name=f"stranger-{secrets.token_hex(4)}")


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


async def test_row_04_an_opened_device_has_all_its_keys_at_the_homeserver(account: Account, stranger: Account) -> None:
    async with account.device() as (own, calls):
        assert await key_count(calls) == own.keys.left == own.keys.most == MOST
        assert await unused_fallback(calls)
        async with stranger.calls() as other:
            _, key = await claim(other, account.user_id, calls.device_id)
        name = f"ed25519:{calls.device_id}"
        assert is_signed_by(key, account.user_id, name, own.machine.ed25519)
        assert opens(own.machine, *first_message(own, key))


async def test_row_04_a_count_of_zero_is_noticed_while_running(account: Account, stranger: Account) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        taken = await drain(other, account, calls.device_id)
        assert len(taken) == MOST
        assert await key_count(calls) == 0
        await own.keys.maintain(one_time_keys=0, fallback_unused=True)
        assert await key_count(calls) == own.keys.left == MOST
        # None of the new ones was ever given out before.
        assert not taken & await drain(other, account, calls.device_id)


async def test_row_04_a_count_of_zero_is_noticed_after_a_restart(account: Account, stranger: Account) -> None:
    async with account.device() as (_, calls):
        device_id = calls.device_id
    async with stranger.calls() as other:
        taken = await drain(other, account, device_id)
        async with account.device() as (own, calls):
            assert calls.device_id == device_id
            assert await key_count(calls) == own.keys.left == MOST
            assert not taken & await drain(other, account, device_id)


async def test_row_04_half_full_is_full_enough_and_the_most_is_never_exceeded(
    account: Account, stranger: Account
) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        for _ in range(MOST // 2):
            await claim(other, account.user_id, calls.device_id)
        await sync(own, calls)
        assert await key_count(calls) == MOST // 2
        await claim(other, account.user_id, calls.device_id)
        await sync(own, calls)
        assert await key_count(calls) == MOST
        # A count from before the refill, as an answer that was under way brings it.
        await own.keys.maintain(one_time_keys=0, fallback_unused=True)
        assert await key_count(calls) == MOST


async def test_row_05_a_drained_device_is_reached_through_its_fallback_key(account: Account, stranger: Account) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        _, first = await claim(other, account.user_id, calls.device_id)
        _, second = await claim(other, account.user_id, calls.device_id)
        assert first == second
        assert is_signed_by(first, account.user_id, f"ed25519:{calls.device_id}", own.machine.ed25519)
        for key in (first, second):
            assert opens(own.machine, *first_message(own, key))


async def test_row_05_a_used_fallback_key_is_renewed_and_the_used_one_still_opens(
    account: Account, stranger: Account
) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        _, used = await claim(other, account.user_id, calls.device_id)
        late = first_message(own, used)
        assert not await unused_fallback(calls)
        later = datetime.now(UTC) + timedelta(hours=2)
        own.keys._clock = lambda: later
        await sync(own, calls)
        assert await unused_fallback(calls)
        await drain(other, account, calls.device_id)
        _, renewed = await claim(other, account.user_id, calls.device_id)
        assert renewed["key"] != used["key"]
        assert opens(own.machine, *late)
        assert opens(own.machine, *first_message(own, renewed))


async def test_row_05_draining_again_and_again_does_not_make_us_forget_a_fallback_key(
    account: Account, stranger: Account
) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        _, used = await claim(other, account.user_id, calls.device_id)
        late = first_message(own, used)
        for _ in range(5):
            await sync(own, calls)
            await drain(other, account, calls.device_id)
        assert opens(own.machine, *late)


@pytest.mark.parametrize("after_it", [False, True], ids=["before", "after"])
async def test_row_04_a_kill_at_the_upload_never_leaves_keys_without_their_private_half(
    account: Account, stranger: Account, monkeypatch: pytest.MonkeyPatch, after_it: bool
) -> None:
    post = HomeserverCalls.post

    async def dies(self: HomeserverCalls, path: str, body: Any, **more: Any) -> Any:
        if "one_time_keys" in body and path.endswith("upload"):
            if after_it:
                await post(self, path, body, **more)
            raise Killed
        return await post(self, path, body, **more)

    with monkeypatch.context() as patched:
        patched.setattr(HomeserverCalls, "post", dies)
        with pytest.raises(Killed):
            await account.start_and_stop()
    async with stranger.calls() as other:
        given_out = await claim(other, account.user_id, await _device_of(account)) if after_it else None
        async with account.device() as (own, calls):
            if given_out is not None:
                # It was claimed before the kill was over; it opens, and is given to nobody else.
                assert opens(own.machine, *first_message(own, given_out[1]))
                assert given_out[0] not in await drain(other, account, calls.device_id)
                await sync(own, calls)
            assert await key_count(calls) == MOST
            _, key = await claim(other, account.user_id, calls.device_id)
            assert opens(own.machine, *first_message(own, key))


async def _device_of(account: Account) -> str:
    return (account.store / "device_id").read_text()


@pytest.mark.parametrize("after_it", [False, True], ids=["before", "after"])
async def test_row_05_a_kill_at_the_fallback_upload_loses_no_private_half(
    account: Account, stranger: Account, monkeypatch: pytest.MonkeyPatch, after_it: bool
) -> None:
    post = HomeserverCalls.post

    async def dies(self: HomeserverCalls, path: str, body: Any, **more: Any) -> Any:
        if "fallback_keys" in body:
            if after_it:
                await post(self, path, body, **more)
            raise Killed
        return await post(self, path, body, **more)

    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        _, used = await claim(other, account.user_id, calls.device_id)
        late = first_message(own, used)
        later = datetime.now(UTC) + timedelta(hours=2)
        own.keys._clock = lambda: later
        with monkeypatch.context() as patched:
            patched.setattr(HomeserverCalls, "post", dies)
            with pytest.raises(Killed):
                await own.keys.maintain(one_time_keys=0, fallback_unused=False)
    for _ in range(3):
        async with account.device() as (own, calls):
            await sync(own, calls)
    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        _, key = await claim(other, account.user_id, calls.device_id)
        assert key["key"] != used["key"]
        assert opens(own.machine, *first_message(own, key))
        assert opens(own.machine, *late)


async def test_row_04_a_disk_that_takes_nothing_uploads_nothing(
    account: Account, stranger: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        with monkeypatch.context() as patched:

            def full(*_: object) -> None:
                import peewee

                raise peewee.OperationalError("database or disk is full")

            patched.setattr(own.machine.store, "save_account", full)
            with pytest.raises(StoreUnwritable):
                await own.keys.maintain(one_time_keys=0, fallback_unused=True)
        assert await key_count(calls) == 0
        await sync(own, calls)
        assert await key_count(calls) == MOST
        _, key = await claim(other, account.user_id, calls.device_id)
        assert opens(own.machine, *first_message(own, key))


async def test_row_04_failed_uploads_are_repeated_with_patience(
    account: Account, stranger: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with account.device() as (own, calls), stranger.calls() as other:
        await drain(other, account, calls.device_id)
        moment, attempts = datetime.now(UTC), 0
        keys = OneTimeKeys(calls, own.machine, own.generations, lambda: moment)
        post = HomeserverCalls.post

        async def away(self: HomeserverCalls, path: str, body: Any, **more: Any) -> Any:
            nonlocal attempts
            attempts += 1
            raise SendFailed("the homeserver could not be asked")

        with monkeypatch.context() as patched:
            patched.setattr(HomeserverCalls, "post", away)
            for _ in range(10):
                await keys.maintain(one_time_keys=0, fallback_unused=True)
            assert attempts == 1
            moment += timedelta(minutes=1)
            await keys.maintain(one_time_keys=0, fallback_unused=True)
            assert attempts == 2
        assert HomeserverCalls.post is post
        moment += timedelta(hours=2)
        await keys.maintain(one_time_keys=0, fallback_unused=True)
        assert await key_count(calls) == MOST
