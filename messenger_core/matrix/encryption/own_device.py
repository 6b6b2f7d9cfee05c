"""Opens the account's device: one that others can rely on, or a new one in its place."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.encryption.cross_signing import (
    ask_for_own_keys,
    fingerprint,
    publish_identity,
    remove_other_devices,
)
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.one_time_keys import OneTimeKeys
from messenger_core.matrix.encryption.own_identity import OwnIdentity
from messenger_core.matrix.encryption.retirement import remove_old_stores, retire
from messenger_core.matrix.encryption.self_test import Listing, check_self, device_listing
from messenger_core.matrix.encryption.store_rollback import Generations, StoreAge
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.settings import SettingsError

logger = logging.getLogger(__name__)

_MOST_NEW_DEVICES = 2


@dataclass(frozen=True, slots=True)
class OwnDevice:
    """The account's one device, published and cross-signed."""

    machine: OlmMachine
    identity: OwnIdentity
    generations: Generations
    keys: OneTimeKeys

    @property
    def fingerprints(self) -> dict[str, str]:
        """What a person compares with what her client shows: there is no verification by emoji."""
        return {
            "device": self.machine.device_id,
            "device_key": fingerprint(self.machine.ed25519),
            "master_key": fingerprint(self.identity.master),
        }


async def open_own_device(calls: HomeserverCalls, engine: AsyncEngine, directory: Path, store_key: str) -> OwnDevice:
    """Opens the store of the device that ``calls`` is signed in with, and publishes what others need of it.

    If the store was restored from a backup, or the homeserver lists other keys under the device's name, the account
    gets a new device: ``calls`` is then signed in anew, with another ``device_id``. The identity stays as long as its
    keys are there, so that who trusted the account trusts the new device.

    Raises:
        SendFailed: if the homeserver could not be asked; ``outage`` says whether opening again may help.
        SettingsError: if the homeserver does not give out what was published, or the store key does not fit.
        StoreUnwritable: if the disk does not give or take the keys.
    """
    identity = OwnIdentity.open(calls.user_id, directory, store_key)
    for _ in range(_MOST_NEW_DEVICES + 1):
        machine = OlmMachine.open(calls.user_id, calls.device_id, directory, store_key)
        try:
            generations = Generations(machine, engine)
            age = await generations.judge()
            if age is StoreAge.CURRENT:
                if device_listing(await ask_for_own_keys(calls), machine) is not Listing.FOREIGN:
                    return await _publish(
                        calls,
                        OwnDevice(machine, identity, generations, OneTimeKeys(calls, machine, generations)),
                        directory,
                    )
                logger.warning("the homeserver lists other keys for the account's device")
            else:
                logger.warning("the encryption keys do not fit the database: %s", age)
            calls.device_id = retire(machine, directory)
        except BaseException:
            machine.close()
            raise
        await calls.connect()
    raise SettingsError(f"the homeserver gives out other keys for every new device of {calls.user_id}")


async def _publish(calls: HomeserverCalls, own: OwnDevice, directory: Path) -> OwnDevice:
    await own.keys.publish_device()
    await publish_identity(calls, own.machine, own.identity)
    await remove_other_devices(calls)
    check_self(await ask_for_own_keys(calls), own.machine, own.identity)
    remove_old_stores(directory, own.machine.device_id)
    return own


async def publish_again(calls: HomeserverCalls, own: OwnDevice) -> None:
    """Makes whole what the homeserver forgot if it removed the device, under whose name the account signed in again.

    Raises:
        SendFailed: if the homeserver could not be asked; to be done again then.
        SettingsError: if it gives out other keys now; the next start makes a new device.
        StoreUnwritable: if the disk did not take new keys.
    """
    listing = device_listing(await ask_for_own_keys(calls), own.machine)
    if listing is Listing.MISSING:
        logger.warning("the homeserver had removed the account's device; it is published again")
        await own.keys.publish_device(anew=True)
    if listing is not Listing.FOREIGN:
        await publish_identity(calls, own.machine, own.identity)
    check_self(await ask_for_own_keys(calls), own.machine, own.identity)
