"""Cross-signing against a real Synapse: made once, whole after every kill, replaced only when its keys are lost."""

from __future__ import annotations

import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import vodozemac

from messenger_core.matrix.encryption.own_identity import OwnIdentity
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.settings import SettingsError
from tests.messenger_core.matrix.identity_scene import (
    STORE_KEY,
    Account,
    ask_for_keys,
    canonical,
    only_key,
    verified_master,
)


class Killed(BaseException):
    """Stands for a kill: nothing may catch it."""


async def seen_by_a_stranger(account: Account) -> dict[str, Any]:
    async with Account(account.homeserver, account.folder / "stranger").calls("STRANGER") as stranger:
        return await ask_for_keys(stranger, account.user_id)


async def test_row_05_the_device_is_cross_signed_when_the_session_is_open(account: Account) -> None:
    async with account.device() as (own, calls):
        device_id, device_key = calls.device_id, own.machine.ed25519
        seen_by_itself = await ask_for_keys(calls, account.user_id)
    verified_master(await seen_by_a_stranger(account), account.user_id, device_id)
    # The device vouches for the master key as well; Synapse shows that to the account alone.
    master = seen_by_itself["master_keys"][account.user_id]
    signature = vodozemac.Ed25519Signature.from_base64(master["signatures"][account.user_id][f"ed25519:{device_id}"])
    vodozemac.Ed25519PublicKey.from_base64(device_key).verify_signature(canonical(master), signature)


async def test_row_22_the_fingerprints_to_compare_are_those_that_a_client_shows(account: Account) -> None:
    async with account.device() as (own, calls):
        shown, device_id = own.fingerprints, calls.device_id
    answer = await seen_by_a_stranger(account)
    listed = answer["device_keys"][account.user_id][device_id]["keys"][f"ed25519:{device_id}"]
    assert shown["device_key"].replace(" ", "") == listed
    assert shown["master_key"].replace(" ", "") == only_key(answer["master_keys"][account.user_id])
    assert all(len(group) <= 4 for group in shown["device_key"].split(" "))


async def test_row_06_a_restart_keeps_device_and_identity(account: Account) -> None:
    async with account.device() as (_, calls):
        first = calls.device_id
    before = await seen_by_a_stranger(account)
    async with account.device() as (_, calls):
        assert calls.device_id == first
    after = await seen_by_a_stranger(account)
    assert after == before


_STEPS = (
    "/keys/query",
    "/keys/upload",
    "/keys/device_signing/upload",
    "/keys/signatures/upload",
    "/devices",
)


@pytest.mark.parametrize("after_it", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", _STEPS)
async def test_row_05_a_kill_at_any_call_leaves_an_identity_that_the_next_start_makes_whole(
    account: Account, monkeypatch: pytest.MonkeyPatch, step: str, after_it: bool
) -> None:
    call = HomeserverCalls._call

    async def dies(self: HomeserverCalls, method: str, path: str, *rest: Any) -> dict[str, Any]:
        if path.endswith(step) and not after_it:
            raise Killed
        answer = await call(self, method, path, *rest)
        if path.endswith(step):
            raise Killed
        return answer

    with monkeypatch.context() as patched:
        patched.setattr(HomeserverCalls, "_call", dies)
        with pytest.raises(Killed):
            await account.start_and_stop()
    async with account.device() as (own, calls):
        verified_master(await seen_by_a_stranger(account), account.user_id, calls.device_id)
        identity = own.identity.master.public
    async with account.device() as (own, _):
        assert own.identity.master.public == identity


async def test_row_05_a_lost_store_gets_a_new_device_and_replaces_the_identity(account: Account) -> None:
    async with account.device() as (own, calls):
        lost_device, lost_identity = calls.device_id, own.identity.master.public
    account.store.rename(account.folder / "lost")
    async with account.device() as (own, calls):
        device_id = calls.device_id
        assert own.identity.master.public != lost_identity
    answer = await seen_by_a_stranger(account)
    assert verified_master(answer, account.user_id, device_id) != lost_identity
    # Nobody sends to the lost device any more.
    assert list(answer["device_keys"][account.user_id]) == [device_id] != [lost_device]


async def test_row_05_the_identity_stays_when_only_the_device_is_lost(account: Account) -> None:
    async with account.device() as (own, calls):
        lost_device, identity = calls.device_id, own.identity.master.public
    for file in account.store.iterdir():
        if file.name != "identity":
            file.unlink()
    async with account.device() as (_, calls):
        assert calls.device_id != lost_device
        answer = await seen_by_a_stranger(account)
        assert verified_master(answer, account.user_id, calls.device_id) == identity
        assert list(answer["device_keys"][account.user_id]) == [calls.device_id]


async def test_a_homeserver_that_refuses_a_new_identity_is_named(
    account: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account.start_and_stop()
    (account.store / "identity").unlink()
    monkeypatch.setattr("tests.messenger_core.matrix.identity_scene.key_proof", lambda _: {"type": "m.login.dummy"})
    with pytest.raises(SettingsError, match=f"does not take the identity of {account.user_id}"):
        await account.start_and_stop()


def test_the_keys_lie_sealed_on_the_disk_and_are_made_once(tmp_path: Path) -> None:
    made = OwnIdentity.open("@bot:here", tmp_path, STORE_KEY)
    file = tmp_path / "identity"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert made.master.seed not in file.read_bytes()
    assert b"master" not in file.read_bytes()
    assert OwnIdentity.open("@bot:here", tmp_path, STORE_KEY) == made
    assert "seed" not in repr(made.master)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda file: OwnIdentity.open("@bot:here", file.parent, "another store key"),
        lambda file: OwnIdentity.open("@other:here", file.parent, STORE_KEY),
        lambda file: (file.write_bytes(file.read_bytes()[:-1]), OwnIdentity.open("@bot:here", file.parent, STORE_KEY)),
        lambda file: (file.write_bytes(b""), OwnIdentity.open("@bot:here", file.parent, STORE_KEY)),
    ],
    ids=["other key", "other account", "cut", "empty"],
)
def test_keys_that_do_not_open_stop_the_session_with_a_line(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    OwnIdentity.open("@bot:here", tmp_path, STORE_KEY)
    with pytest.raises(SettingsError, match="the store key does not fit"):
        spoil(tmp_path / "identity")
