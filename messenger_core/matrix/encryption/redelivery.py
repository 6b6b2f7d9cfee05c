"""Gives owed room keys again, with growing pauses, until each device has its key or is no more."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta

from messenger_core.matrix.encryption.components import EncryptionComponents
from messenger_core.matrix.encryption.olm_channel import KnownDevice
from messenger_core.matrix.encryption.room_key_sharing import RoomEncryptor, room_key_content
from messenger_core.matrix.encryption.to_device import IncomingKeyRequest
from messenger_core.matrix.encryption.to_device_batches import ToDeviceBatch, encrypt_olm_batches, send_batch
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.store.owed_keys import ALL_DEVICES, OwedKey

logger = logging.getLogger(__name__)

_AT_ONCE = 200
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=10), timedelta(hours=1)
_PAUSE_OF_LOST_KEYS = timedelta(days=1)
_KEPT_FOR = timedelta(days=14)


class Redelivery:
    """The owed keys of one account."""

    def __init__(self, parts: EncryptionComponents, encryptor: RoomEncryptor) -> None:
        self._parts = parts
        self._encryptor = encryptor
        self._unsent: list[tuple[ToDeviceBatch, list[OwedKey]]] = []
        self._known_as_lost: set[tuple[str, str, str]] = set()

    async def grant(self, wishes: Iterable[IncomingKeyRequest]) -> None:
        """Owes a key again to devices that ask for one which was meant for them; anybody else asks in vain."""
        granted = []
        for wish in wishes:
            keys = self._parts.outbound_keys
            index = keys.shared_from(wish.room_id, wish.session_id, wish.sender, wish.device_id)
            if index is not None:
                granted.append(OwedKey(wish.room_id, wish.session_id, wish.sender, wish.device_id, index))
        if granted:
            await self._parts.owed_keys.owe(granted, self._parts.clock())

    async def maintain(self, heard_from: Collection[str]) -> None:
        """One round.

        Args:
            heard_from: people whose device just opened or used an Olm session: what they are owed is due at once.

        Raises:
            SendFailed: if the homeserver could not be asked; it is tried again at the next call.
            StoreUnwritable: if the disk did not take it.
        """
        await self._send_unsent()
        due = await self._parts.owed_keys.due(self._parts.clock(), heard_from, _AT_ONCE)
        if due:
            await self._round(due)

    async def forget_old(self) -> None:
        """Drops our room keys that are old and that nobody is owed."""
        owed = await self._parts.owed_keys.sessions()
        self._parts.outbound_keys.forget_before(self._parts.clock() - _KEPT_FOR, owed)

    def _session_key(self, key: OwedKey) -> str | None:
        return self._parts.outbound_keys.session_key(key.session_id, key.message_index)

    async def _round(self, due: Sequence[OwedKey]) -> None:
        """One attempt at each owed key."""
        unanswered = await self._parts.devices.make_current({key.owner for key in due})
        named, gone = await self._name_devices(due, unanswered)
        await self._settle(gone)
        named = await self._without_lost(named)
        try:
            await self._parts.opener.open_missing(list({device for _, device in named}))
        except SendFailed as fault:
            if fault.outage:
                raise
            logger.warning("one-time keys could not be claimed: %s", fault.errcode)
        unreached = [key for key in due if key.owner in unanswered]
        by_key: defaultdict[tuple[str, str, int], list[tuple[OwedKey, KnownDevice]]] = defaultdict(list)
        for key, device in named:
            by_key[key.room_id, key.session_id, key.message_index].append((key, device))
        for of_one_key in by_key.values():
            unreached += await self._seal(of_one_key)
        now = self._parts.clock()
        for key in unreached:
            pause = min(_FIRST_PAUSE * 2 ** min(key.attempts, 20), _LONGEST_PAUSE)
            await self._parts.owed_keys.put_off(key, now, pause)
        await self._send_unsent()

    async def _name_devices(
        self, due: Sequence[OwedKey], unanswered: Collection[str]
    ) -> tuple[list[tuple[OwedKey, KnownDevice]], list[OwedKey]]:
        """The device of each owed key; and the keys that are owed to no device that there is."""
        named, gone = [], []
        for key in due:
            if key.owner in unanswered:
                continue
            devices = self._parts.devices.of(key.owner) or ()
            if key.device_id == ALL_DEVICES:
                owed = [
                    OwedKey(key.room_id, key.session_id, device.owner, device.device_id, key.message_index)
                    for device in devices
                ]
                await self._parts.owed_keys.owe(owed, self._parts.clock())
                gone.append(key)
                named += list(zip(owed, devices, strict=True))
            else:
                device = next((device for device in devices if device.device_id == key.device_id), None)
                if device is None:
                    gone.append(key)
                else:
                    named.append((key, device))
        return named, gone

    async def _without_lost(self, named: list[tuple[OwedKey, KnownDevice]]) -> list[tuple[OwedKey, KnownDevice]]:
        """What can be given.

        A key that was lost with an earlier device of ours stays owed as long as its device is there: what was sent with
        it has not reached everybody, and never will.
        """
        lost = [key for key, _ in named if self._session_key(key) is None]
        for key in lost:
            await self._parts.owed_keys.put_off(key, self._parts.clock(), _PAUSE_OF_LOST_KEYS)
        found = {(key.session_id, key.owner, key.device_id) for key in lost} - self._known_as_lost
        if found:
            self._known_as_lost |= found
            logger.error("%d devices never get a room key that they are owed: it is lost", len(found))
        return [(key, device) for key, device in named if key not in lost]

    async def _seal(self, owed: Sequence[tuple[OwedKey, KnownDevice]]) -> list[OwedKey]:
        """Seals one room key for its devices; those that there is no Olm session with."""
        key = owed[0][0]
        session_key = self._session_key(key)
        assert session_key is not None
        content = room_key_content(key.room_id, key.session_id, session_key)
        keys = {(one.owner, one.device_id): one for one, _ in owed}
        async with self._parts.generations.step():
            batches, without = encrypt_olm_batches(
                self._parts.machine, [device for _, device in owed], "m.room_key", content
            )
            self._parts.outbound_keys.note_shared(key.session_id, [device for _, device in owed], key.message_index)
        for batch in batches:
            self._unsent.append((batch, [keys[device.owner, device.device_id] for device in batch.devices]))
        return [keys[device.owner, device.device_id] for device in without]

    async def _send_unsent(self) -> None:
        """Sends what is sealed."""
        while self._unsent:
            batch, keys = self._unsent[0]
            if await send_batch(self._parts.calls, batch):
                await self._settle(keys)
            else:
                for key in keys:
                    await self._parts.owed_keys.put_off(key, self._parts.clock(), _LONGEST_PAUSE)
            del self._unsent[0]

    async def _settle(self, keys: Sequence[OwedKey]) -> None:
        if keys:
            await self._parts.owed_keys.settle(keys)
        for key in keys:
            self._encryptor.reached(key.session_id, key.room_id, key.owner, key.device_id)
