"""A store or a database restored from a backup: recognised, and never the beginning of a second use of a ratchet."""

from __future__ import annotations

import secrets
import shutil
from pathlib import Path

import peewee
import pytest
import vodozemac
from hypothesis import given
from hypothesis import strategies as st
from nio.crypto import OutboundSession

from messenger_core.matrix.encryption.device import Device
from messenger_core.matrix.encryption.own_device import OwnDevice, open_own_device
from messenger_core.matrix.encryption.room_keys import RoomKey, RoomKeys
from messenger_core.matrix.encryption.store_rollback import StoreAge, StoreCondemned, store_age
from messenger_core.matrix.faults import StoreUnwritable
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.store.store_generations import RecordedGeneration, RecordedGenerations
from messenger_core.settings import SettingsError
from tests.messenger_core.matrix.identity_scene import STORE_KEY, Account, ask_for_keys, claim

ROOM = "!room:session.localhost"


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


async def use(own: OwnDevice, times: int = 1) -> None:
    """Changes the store as sending does."""
    for _ in range(times):
        async with own.generations.step():
            own.machine.save_account()


def back_up(path: Path) -> Path:
    copy = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
    shutil.copytree(path, copy) if path.is_dir() else shutil.copy2(path, copy)
    return copy


def restore(path: Path, copy: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    shutil.copytree(copy, path) if copy.is_dir() else shutil.copy2(copy, path)


def stores(account: Account) -> set[str]:
    return {file.stem for file in account.store.glob("*.db")}


async def test_row_21_a_restored_store_leads_to_a_new_device_with_the_old_identity(account: Account) -> None:
    async with account.device() as (own, calls):
        old_device, old_key, identity = calls.device_id, own.machine.ed25519, own.identity
        session = vodozemac.GroupSession()
        received = vodozemac.InboundGroupSession(session.session_key)
        with own.machine.transaction():
            RoomKeys(own.machine).add(RoomKey(ROOM, "sender", "signer", "@erika:here", False, received))
        stranger = vodozemac.Account()
        stranger.generate_one_time_keys(1)
        stranger_key, (one_time_key,) = stranger.curve25519_key.to_base64(), stranger.one_time_keys.values()
        async with own.generations.step():
            written_to = OutboundSession(own.machine.account, stranger_key, one_time_key.to_base64())
            own.machine.add_olm_session(stranger_key, written_to)
        assert own.machine.sql("SELECT count(*) FROM olmsessions") == [(1,)]
    copy = back_up(account.store)
    async with account.device() as (own, _):
        await use(own)
    restore(account.store, copy)

    async with account.device() as (own, calls):
        assert calls.device_id == own.machine.device_id != old_device
        assert own.machine.ed25519 != old_key
        assert own.identity == identity
        # What it could read it can read still; what it could write with is gone.
        inherited = RoomKeys(own.machine).of(ROOM, session.session_id)
        assert inherited[0].session.decrypt(session.encrypt(b"words")).plaintext == b"words"
        assert own.machine.sql("SELECT count(*) FROM olmsessions") == [(0,)]
        assert stores(account) == {calls.device_id}
        answer = await ask_for_keys(calls, account.user_id)
        assert list(answer["device_keys"][account.user_id]) == [calls.device_id]
        new_device = calls.device_id
    async with account.device() as (_, calls):
        assert calls.device_id == new_device


async def test_row_21_a_device_folder_from_before_the_last_replacement_is_not_used(account: Account) -> None:
    async with account.device() as (own, calls):
        first = calls.device_id
        await use(own)
        copy = back_up(account.store)
        await own.generations.condemn()
    async with account.device() as (_, calls):
        second = calls.device_id
        assert second != first
    restore(account.store, copy)
    async with account.device() as (_, calls):
        assert calls.device_id not in {first, second}


async def test_row_21_a_restored_database_leads_to_a_new_device(account: Account) -> None:
    async with account.device() as (_, calls):
        device_id = calls.device_id
    copy = back_up(account.database)
    async with account.device() as (own, _):
        await use(own, 2)
    restore(account.database, copy)
    async with account.device() as (_, calls):
        assert calls.device_id != device_id


async def test_row_21_restarts_and_kills_keep_the_device(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    async with account.device() as (own, calls):
        device_id = calls.device_id
        await use(own, 3)

        async def dies(self: RecordedGenerations, recorded: RecordedGeneration) -> None:
            raise Killed

        with monkeypatch.context() as patched:
            patched.setattr(RecordedGenerations, "record", dies)
            with pytest.raises(Killed):
                await use(own)
    for _ in range(2):
        async with account.device() as (own, calls):
            assert calls.device_id == device_id
            await use(own)


async def test_row_21_nothing_is_done_while_the_database_does_not_hear_of_it(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with account.device() as (own, calls):
        device_id = calls.device_id

        async def away(self: RecordedGenerations, recorded: RecordedGeneration) -> None:
            raise ConnectionError

        with monkeypatch.context() as patched:
            patched.setattr(RecordedGenerations, "record", away)
            for _ in range(5):
                with pytest.raises(ConnectionError):
                    await use(own)
        # However often it was tried, the store is no further than a kill could leave it.
        assert own.machine.sql("SELECT generation FROM generation")[0][0] <= await _recorded(account) + 1
    async with account.device() as (_, calls):
        assert calls.device_id == device_id


async def _recorded(account: Account) -> int:
    async with account.engine() as engine:
        recorded = await RecordedGenerations(engine, account.user_id).find()
    assert recorded is not None
    return recorded.generation


async def test_row_21_a_disk_that_takes_nothing_leaves_the_number_as_it_was(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with account.device() as (own, _):
        before = own.machine.sql("SELECT generation FROM generation")

        def full(*_: object) -> None:
            raise peewee.OperationalError("database or disk is full")

        with monkeypatch.context() as patched:
            patched.setattr(own.machine.store, "save_account", full)
            with pytest.raises(StoreUnwritable):
                await use(own)
        assert own.machine.sql("SELECT generation FROM generation") == before
        await use(own)
        assert own.machine.sql("SELECT generation FROM generation") == [(before[0][0] + 1,)]


async def test_row_21_a_condemned_device_does_nothing_more_and_is_replaced(account: Account) -> None:
    async with account.device() as (own, calls):
        device_id = calls.device_id
        await own.generations.condemn()
        with pytest.raises(StoreCondemned):
            await use(own)
    async with account.device() as (own, calls):
        assert calls.device_id != device_id
        await use(own)


async def test_row_21_store_and_database_restored_together_are_given_away_by_an_event(account: Account) -> None:
    async with account.device() as (own, _):
        await use(own)
    store, database = back_up(account.store), back_up(account.database)
    async with account.device() as (own, calls):
        device_id = calls.device_id
        await use(own)
    restore(account.store, store)
    restore(account.database, database)
    async with account.calls() as calls, account.engine() as engine:
        device = await Device.open(calls, engine, account.store, STORE_KEY)
        # The numbers fit; only an event that the device has sent and its outbox does not know tells.
        assert device.device_id == device_id
        device.note_foreign_own_event()
        with pytest.raises(StoreCondemned):
            await use(device._own)
        with pytest.raises(SettingsError, match="a new device takes its place"):
            await device.maintain(one_time_keys=None, fallback_unused=None)
        await device.close()
    async with account.device() as (_, calls):
        assert calls.device_id != device_id


@pytest.mark.parametrize("instant", ["copying", "naming", "signing in"])
async def test_row_21_a_kill_while_the_device_is_replaced_is_made_good_at_the_next_start(
    account: Account, monkeypatch: pytest.MonkeyPatch, instant: str
) -> None:
    async with account.device() as (own, calls):
        device_id = calls.device_id
        await own.generations.condemn()

    def dies(*_: object) -> None:
        raise Killed

    where = {
        "copying": "messenger_core.matrix.encryption.retirement._inherit",
        "naming": "messenger_core.matrix.encryption.retirement.write_private_file",
    }
    with monkeypatch.context() as patched:
        if instant in where:
            patched.setattr(where[instant], dies)
        else:
            connect, first = HomeserverCalls.connect, [True]

            async def only_once(self: HomeserverCalls) -> None:
                if not first:
                    raise Killed
                first.clear()
                await connect(self)

            patched.setattr(HomeserverCalls, "connect", only_once)
        with pytest.raises(Killed):
            await account.start_and_stop()
    async with account.device() as (_, calls):
        assert calls.device_id != device_id
        assert stores(account) == {calls.device_id}
        answer = await ask_for_keys(calls, account.user_id)
        assert list(answer["device_keys"][account.user_id]) == [calls.device_id]


async def test_row_21_a_homeserver_that_lists_other_keys_for_the_device_gets_a_new_one(account: Account) -> None:
    async with account.device() as (own, calls):
        device_id, identity = calls.device_id, own.identity
    # Only the file with the device's keys is lost; its name is still there.
    (account.store / f"{device_id}.db").unlink()
    async with account.device() as (own, calls):
        assert calls.device_id != device_id
        assert own.identity == identity


async def test_row_21_a_homeserver_that_lost_the_device_gets_its_keys_again(account: Account) -> None:
    async with account.device() as (own, calls):
        device_id, key = calls.device_id, own.machine.ed25519
    other = Account(account.homeserver, account.folder / "operator", account.name)
    async with other.calls("ELSEWHERE") as operator:
        await operator.post_with_proof("/_matrix/client/v3/delete_devices", {"devices": [device_id]})
        async with account.device() as (own, calls):
            assert (calls.device_id, own.machine.ed25519) == (device_id, key)
            answer = await ask_for_keys(calls, account.user_id)
            assert list(answer["device_keys"][account.user_id]) == [device_id]
            await claim(calls, account.user_id, device_id)


async def test_row_21_a_homeserver_that_gives_out_other_keys_for_every_device_stops_the_session(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    post = HomeserverCalls.post

    async def tampers(self: HomeserverCalls, path: str, body: object, **more: object) -> object:
        answer = await post(self, path, body, **more)  # type: ignore[arg-type]
        if path.endswith("/keys/query"):
            answer["device_keys"] = {account.user_id: {self.device_id: {"keys": {}}}}
        return answer

    monkeypatch.setattr(HomeserverCalls, "post", tampers)
    with pytest.raises(SettingsError, match="other keys for every new device"):
        await account.start_and_stop()


STEP, KILLED, RESTART = "step", "killed step", "restart"


@given(
    before=st.lists(st.sampled_from([STEP, KILLED, RESTART])), after=st.lists(st.sampled_from([STEP, KILLED, RESTART]))
)
def test_row_21_no_history_hides_a_restored_store(before: list[str], after: list[str]) -> None:
    """A killed step is one whose number the database never heard of, so nothing of it was sent; a restart follows."""
    store, recorded = 0, RecordedGeneration("A", 0)
    for happens in before:
        store, recorded = _after(happens, store, recorded)
    backup, sent_since = store, False
    for happens in after:
        store, recorded = _after(happens, store, recorded)
        sent_since |= happens == STEP
    assert store_age("A", store, recorded) is StoreAge.CURRENT
    if sent_since:
        assert store_age("A", backup, recorded) is StoreAge.STORE_RESTORED


def _after(happens: str, store: int, recorded: RecordedGeneration) -> tuple[int, RecordedGeneration]:
    if happens == STEP:
        return store + 1, RecordedGeneration("A", store + 1)
    if happens == KILLED:
        assert store_age("A", store + 1, recorded) is StoreAge.CURRENT
        return store + 1, RecordedGeneration("A", store + 1)
    assert store_age("A", store, recorded) is StoreAge.CURRENT
    return store, RecordedGeneration("A", store)


@pytest.mark.parametrize(
    ("device_id", "generation", "recorded", "age"),
    [
        ("A", 0, None, StoreAge.CURRENT),
        ("B", 0, RecordedGeneration("A", 70), StoreAge.CURRENT),
        ("A", 7, RecordedGeneration("A", 7), StoreAge.CURRENT),
        ("A", 8, RecordedGeneration("A", 7), StoreAge.CURRENT),
        ("A", 9, RecordedGeneration("A", 7), StoreAge.DATABASE_RESTORED),
        ("A", 6, RecordedGeneration("A", 7), StoreAge.STORE_RESTORED),
        ("A", 0, RecordedGeneration("A", 7), StoreAge.STORE_RESTORED),
        ("B", 3, RecordedGeneration("A", 1), StoreAge.STORE_RESTORED),
        ("A", 3, None, StoreAge.DATABASE_RESTORED),
    ],
)
def test_each_pair_of_numbers_has_one_reading(
    device_id: str, generation: int, recorded: RecordedGeneration | None, age: StoreAge
) -> None:
    assert store_age(device_id, generation, recorded) is age


async def test_the_store_key_of_another_store_is_refused_with_a_line(account: Account) -> None:
    await account.start_and_stop()
    (account.store / "identity").unlink()
    async with account.calls() as calls, account.engine() as engine:
        with pytest.raises(SettingsError, match="does not fit"):
            await open_own_device(calls, engine, account.store, f"not {STORE_KEY}")
