"""The account's one device: takes keys in, reads events, encrypts messages, and looks after its keys."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix.clock import present
from messenger_core.matrix.encryption.components import EncryptionComponents
from messenger_core.matrix.encryption.device_lists import DeviceLists
from messenger_core.matrix.encryption.key_requests import KeyRequester
from messenger_core.matrix.encryption.megolm_decryption import DecryptedEvent, MegolmDecryptor
from messenger_core.matrix.encryption.outbound_keys import OutboundKeys
from messenger_core.matrix.encryption.own_device import OwnDevice, open_own_device, publish_again
from messenger_core.matrix.encryption.redelivery import Redelivery
from messenger_core.matrix.encryption.room_key_sharing import EncryptedMessage, RoomEncryptor
from messenger_core.matrix.encryption.room_keys import RoomKeys
from messenger_core.matrix.encryption.session_opener import SessionOpener
from messenger_core.matrix.encryption.to_device import ToDeviceIntake
from messenger_core.matrix.encryption.unwedging import Unwedger
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.signatures.sender_trust import DeviceTrust
from messenger_core.matrix.store.identities import Identities
from messenger_core.matrix.store.key_requests import KeyRequests
from messenger_core.matrix.store.owed_keys import OwedKeys
from messenger_core.matrix.store.stale_devices import StaleDevices
from messenger_core.matrix.store.to_device import ToDeviceRows
from messenger_core.settings import SettingsError

__all__ = ["DecryptedEvent", "Device", "EncryptedMessage", "NewRoomKeys"]

logger = logging.getLogger(__name__)

# Small enough that the event loop is never held up for long.
_ROWS_AT_ONCE = 50
_FORGET_EVERY = timedelta(hours=6)


@dataclass(frozen=True, slots=True)
class NewRoomKeys:
    """What to-device messages brought: room id and session id of each room key that is new or better."""

    learned: frozenset[tuple[str, str]]


class Device:
    """The one device of an account; see ``open``."""

    def __init__(
        self, own: OwnDevice, parts: EncryptionComponents, engine: AsyncEngine, identities: Identities
    ) -> None:
        """Puts the parts together; ``open`` is what to call."""
        machine, user_id = own.machine, own.machine.user_id
        self._own = own
        self._parts = parts
        self._identities = identities
        self._rows = ToDeviceRows(engine, user_id)
        keys = RoomKeys(machine)
        self._intake = ToDeviceIntake(machine, keys, parts.devices, parts.clock)
        self._decryptor = MegolmDecryptor(keys)
        self._encryptor = RoomEncryptor(parts)
        self._redelivery = Redelivery(parts, self._encryptor)
        self._asking = KeyRequester(parts, KeyRequests(engine, user_id))
        self._unwedging = Unwedger(parts)
        self._heard_from: set[str] = set()
        self._forget_at = parts.clock()
        self._copied = False
        self._published_after_renewals = 0

    @classmethod
    async def open(
        cls,
        calls: HomeserverCalls,
        engine: AsyncEngine,
        store_directory: Path,
        store_key: str,
        clock: Callable[[], datetime] = present,
    ) -> Device:
        """Opens the device that ``calls`` is signed in with, or a new one if its keys must not be used any more.

        Args:
            calls: the signed-in connection; its ``device_id`` is another one afterwards if the device had to change.
            engine: the service's database with the session's tables.
            store_directory: where the keys are kept, for the owner alone; one process at a time may use it.
            store_key: the secret that encrypts them, 16 characters or more.
            clock: the present.

        Raises:
            SendFailed: if the homeserver could not be asked.
            SettingsError: if the store key does not fit, or the homeserver does not give out what was published.
            StoreUnwritable: if the disk does not give or take the keys.
        """
        own = await open_own_device(calls, engine, store_directory, store_key)
        machine, generations = own.machine, own.generations
        identities = Identities(engine, machine.user_id)
        devices = DeviceLists(machine, calls, StaleDevices(engine, machine.user_id), identities.take)
        parts = EncryptionComponents(
            machine=machine,
            generations=generations,
            calls=calls,
            devices=devices,
            opener=SessionOpener(machine, generations, calls),
            outbound_keys=OutboundKeys(machine),
            owed_keys=OwedKeys(engine, machine.user_id),
            clock=clock,
        )
        device = cls(own, parts, engine, identities)
        await devices.load()
        return device

    async def close(self) -> None:
        """Closes the store."""
        self._own.machine.close()

    @property
    def user_id(self) -> str:
        """The account."""
        return self._own.machine.user_id

    @property
    def device_id(self) -> str:
        """The device."""
        return self._own.machine.device_id

    @property
    def fingerprints(self) -> dict[str, str]:
        """What a person compares with what her client shows."""
        return self._own.fingerprints

    async def take_in(self) -> NewRoomKeys:
        """Takes in what the last sync answer brought: stale device lists, and every waiting to-device message in order.

        Called after each answer, before its events are read. Each message is given to the encryption exactly once,
        whenever the process dies.

        Raises:
            StoreUnwritable: if the disk did not take it; the messages stay and are taken in by the next call.
        """
        await self._parts.devices.load()
        learned: set[tuple[str, str]] = set()
        asked = None
        while rows := await self._rows.first(_ROWS_AT_ONCE):
            if asked is None:
                asked = await self._asking.open_requests()
            async with self._parts.generations.step():
                taken = self._intake.take(rows, asked)
            await self._redelivery.grant(taken.wishes)
            await self._asking.learned(taken.learned)
            await self._rows.remove([number for number, _ in rows])
            learned |= taken.learned
            self._heard_from |= taken.heard_from
        return NewRoomKeys(frozenset(learned))

    async def has_more_to_take_in(self) -> bool:
        """Whether to-device messages wait that ``take_in`` has not come to yet; a room key may be among them."""
        return bool(await self._rows.first(1))

    def decrypt_megolm(self, room_id: str, source: Mapping[str, Any]) -> DecryptedEvent:
        """Decrypts an ``m.room.encrypted`` event as it came in a sync answer; see ``MegolmDecryptor.decrypt_megolm``.

        Raises:
            RoomKeyMissing: if its room key has not come (yet).
            UndecryptableEvent: if no key would help.
        """
        return self._decryptor.decrypt_megolm(room_id, source)

    async def trust_of(self, sender: str, sender_key: str) -> DeviceTrust:
        """How far the device that made a room key (``DecryptedEvent.sender_key``) can be taken for its sender's.

        A device is often signed a moment after it is made, so a list that is known to have changed is asked for first.

        Raises:
            SendFailed: if our own homeserver could not be asked.
        """
        devices = self._parts.devices
        if devices.of(sender) is None or not devices.current(frozenset({sender})):
            await devices.make_current([sender])
        device = next((one for one in devices.with_key(sender_key) if one.owner == sender), None)
        return await self._identities.trust_of(
            sender, device.device_id if device else None, device.ed25519 if device else None
        )

    async def encrypt_megolm(self, room_id: str, event_type: str, content: Mapping[str, Any]) -> EncryptedMessage:
        """Encrypts a message for every device that should read it; see ``RoomEncryptor.encrypt_megolm``.

        Raises:
            NothingEncrypted: if the room is not encrypted.
            SendFailed: if the homeserver could not be asked; asking again later is right if it is an ``outage``.
            StoreUnwritable: if the disk did not take what has to be kept before the message may go out.
        """
        return await self._encryptor.encrypt_megolm(room_id, event_type, content)

    def membership_changed(self, room_id: str) -> None:
        """Somebody came, left or was invited, or the room's encryption or history visibility changed."""
        self._encryptor.membership_changed(room_id)

    async def request_room_key(self, room_id: str, source: Mapping[str, Any]) -> None:
        """Asks the sender's device for the key of an event; cheap when it was asked before."""
        await self._asking.request_room_key(room_id, source)

    def note_foreign_own_event(self) -> None:
        """An event came from this very device that it did not send: somebody uses a copy of its store."""
        self._copied = True
        self._own.generations.refuse()

    async def check_alone(self) -> None:
        """Gives this device up if somebody uses a copy of its store; nothing may be sent with its keys any more.

        Raises:
            SettingsError: then; the next start makes a new device.
        """
        if self._copied:
            await self._own.generations.condemn()
            raise SettingsError(
                f"somebody else sends with a copy of the encryption keys of {self.user_id}; this device is given up. "
                "Start again: a new device takes its place. Make sure that the copy is not started any more"
            )

    async def maintain(self, *, one_time_keys: int | None, fallback_unused: bool | None) -> None:
        """Looks after the keys; called after each sync answer and at least once a minute. Faults are tried again.

        Args:
            one_time_keys: how many the homeserver has; None if it did not say.
            fallback_unused: whether the fallback key is unused; None if the homeserver did not say.

        Raises:
            SettingsError: if a copy of the device's store is in use, or the homeserver lists other keys for the device;
                the next start makes a new device.
            StoreUnwritable: if the disk did not take it.
        """
        await self.check_alone()
        await self._stay_published()
        await self._own.keys.maintain(one_time_keys=one_time_keys, fallback_unused=fallback_unused)
        try:
            heard_from, self._heard_from = self._heard_from, set()
            # Whoever wrote us a key is likely to write a message; who she is should be known by then.
            await self._parts.devices.make_current(heard_from)
            await self._unwedging.unwedge()
            await self._redelivery.maintain(heard_from)
            await self._asking.maintain()
        except SendFailed as fault:
            logger.warning("keys are looked after later: %s", fault)
        if self._parts.clock() >= self._forget_at:
            self._forget_at = self._parts.clock() + _FORGET_EVERY
            await self._redelivery.forget_old()

    async def _stay_published(self) -> None:
        """A token that ended may mean that the homeserver removed the device: then nobody could write to it."""
        renewals = self._parts.calls.renewals
        if renewals == self._published_after_renewals:
            return
        try:
            await publish_again(self._parts.calls, self._own)
        except SendFailed as fault:
            logger.warning("whether the account's device is still published is looked at later: %s", fault)
        else:
            self._published_after_renewals = renewals
