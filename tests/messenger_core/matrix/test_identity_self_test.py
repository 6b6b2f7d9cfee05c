"""The self-test at start: whatever the homeserver gives out otherwise than it was uploaded stops the session."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import SessionSettings
from messenger_core.matrix.encryption.own_device import OwnDevice
from messenger_core.matrix.encryption.own_identity import OwnIdentity
from messenger_core.matrix.encryption.self_test import Listing, check_self, device_listing
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.settings import SettingsError
from sandbox.encrypted_client import EncryptedClient, run_client
from tests.bare_homeserver import Homeserver
from tests.messenger_core.matrix.identity_scene import STORE_KEY, Account, ask_for_keys, key_count, unused_fallback
from tests.messenger_core.matrix.session_scene import running, shared_room, until
from tests.messenger_core.matrix.sharing_scene import sign_in

Change = Callable[[dict[str, Any], OwnDevice], None]


def _other_identity(answer: dict[str, Any], own: OwnDevice) -> None:
    directory = Path(own.machine.store.store_path) / "other"
    other = OwnIdentity.open(own.machine.user_id, directory, STORE_KEY).upload()
    for place, name in (("master_keys", "master_key"), ("self_signing_keys", "self_signing_key")):
        answer[place][own.machine.user_id] = other[name]


def _no_signature(answer: dict[str, Any], own: OwnDevice) -> None:
    signatures = answer["device_keys"][own.machine.user_id][own.machine.device_id]["signatures"]
    del signatures[own.machine.user_id][own.identity.self_signing.key_id]


def _no_signature_of_the_master_key(answer: dict[str, Any], own: OwnDevice) -> None:
    answer["master_keys"][own.machine.user_id]["signatures"] = {}


def _other_device_key(answer: dict[str, Any], own: OwnDevice) -> None:
    device = answer["device_keys"][own.machine.user_id][own.machine.device_id]
    device["keys"][f"curve25519:{own.machine.device_id}"] = "A" * 43


def _no_device(answer: dict[str, Any], own: OwnDevice) -> None:
    answer["device_keys"] = {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (_other_identity, "the account's cross-signing keys"),
        (_no_signature, "the signature of its device"),
        (_no_signature_of_the_master_key, "the device's signature of its master key"),
        (_other_device_key, "the keys of the account's device"),
        (_no_device, "the keys of the account's device"),
    ],
)
async def test_row_21_the_self_test_names_what_is_wrong(
    homeserver: Homeserver, tmp_path: Path, change: Change, words: str
) -> None:
    account = Account(homeserver, tmp_path)
    async with account.device() as (own, calls):
        good = await ask_for_keys(calls, account.user_id)
        check_self(good, own.machine, own.identity)
        assert device_listing(good, own.machine) is Listing.OURS
        changed = copy.deepcopy(good)
        change(changed, own)
        with pytest.raises(SettingsError, match=words):
            check_self(changed, own.machine, own.identity)


async def test_row_21_the_session_does_not_open_when_the_self_test_fails(
    homeserver: Homeserver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(homeserver, tmp_path)
    asked = ask_for_keys

    async def unsigned(calls: Any) -> dict[str, Any]:
        answer = await asked(calls, account.user_id)
        for device in answer["device_keys"].get(account.user_id, {}).values():
            device["signatures"] = {}
        return answer

    monkeypatch.setattr("messenger_core.matrix.encryption.own_device.ask_for_own_keys", unsigned)
    with pytest.raises(SettingsError, match="no other client could rely on what is sent"):
        await account.start_and_stop()


async def test_a_device_that_the_homeserver_removed_is_published_again_and_written_to(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine, homeserver: Homeserver, tmp_path: Path
) -> None:
    async with running(settings, engine) as service:
        room = await shared_room(person, settings)
        await person.send_text(room, "before")
        await person.wait_for(lambda seen: seen.body == "answer to before", "the first answer")
        before = service.session.fingerprints
        calls = service.session._opened.calls

        await calls.post("/_matrix/client/v3/logout", {})

        async def published() -> bool:
            asked = await ask_for_keys(calls, settings.user_id)
            device = asked["device_keys"].get(settings.user_id, {}).get(before["device"], {})
            return len(device.get("signatures", {}).get(settings.user_id, {})) == 2

        await until(published)
        await until(lambda: _has_keys(calls))
        # A client that knows nothing of what was: nio never writes again to a device that was gone for a moment.
        tablet = await sign_in(homeserver, person.signed_in.user_id)
        async with run_client(homeserver.url, tablet, tmp_path / "tablet") as again:
            await again.wait_until_in(room, settings.user_id)
            await again.send_text(room, "are you there?")
            await again.wait_for(lambda seen: seen.body == "answer to are you there?", "the removed device's answer")
        assert service.session.fingerprints == before


async def _has_keys(calls: HomeserverCalls) -> bool:
    return await key_count(calls) > 0 and await unused_fallback(calls)
