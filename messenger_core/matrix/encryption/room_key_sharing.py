"""Encrypts for a room: makes and changes its outbound key, and gives it to every device before the message goes out."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import vodozemac

from messenger_core.matrix.encryption.components import EncryptionComponents
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import MEGOLM, KnownDevice
from messenger_core.matrix.encryption.room_settings import RoomEncryption, ask_for_room
from messenger_core.matrix.encryption.to_device_batches import ToDeviceBatch, encrypt_olm_batches, send_batch
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.store.owed_keys import ALL_DEVICES, OwedKey

logger = logging.getLogger(__name__)

_REMEMBERED_ROOMS = 5000
# How often in a row a homeserver that answers may fail to hand out one-time keys before messages go out without them.
_CLAIMS_BEFORE_GOING_ON = 3


@dataclass(frozen=True, slots=True)
class EncryptedMessage:
    """An encrypted message.

    Attributes:
        content: of the ``m.room.encrypted`` event.
        session_id: the room key it was encrypted with.
        unreached: user id and device id of those that should have this key and have not got it; they are owed it.
    """

    content: dict[str, Any]
    session_id: str
    unreached: frozenset[tuple[str, str]]


@dataclass(slots=True)
class _Outbound:
    """A room's outbound key. It lives in memory only: after a restart there is a new one, never the same ratchet."""

    session: vodozemac.GroupSession
    session_id: str
    made_at: datetime
    kept: bool = False
    messages: int = 0
    given: set[KnownDevice] = field(default_factory=set)
    owed: dict[tuple[str, str], KnownDevice | None] = field(default_factory=dict)
    batches: list[ToDeviceBatch] = field(default_factory=list)

    @classmethod
    def make(cls, now: datetime) -> _Outbound:
        session = vodozemac.GroupSession()
        return cls(session, str(session.session_id), now)


@dataclass(slots=True)
class _Room:
    """What is known of a room while messages are encrypted for it."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    generation: int = 0
    encryption: RoomEncryption | None = None
    outbound: _Outbound | None = None
    checked: int = -1
    failed_claims: int = 0


class RoomEncryptor:
    """Encrypts messages for rooms."""

    def __init__(self, parts: EncryptionComponents) -> None:
        self._parts = parts
        self._rooms: OrderedDict[str, _Room] = OrderedDict()

    def membership_changed(self, room_id: str) -> None:
        """The room's members or settings changed: they are asked for anew, and the next message has a new key."""
        room = self._rooms.get(room_id)
        if room is not None:
            room.generation += 1
            room.encryption = room.outbound = None

    def reached(self, session_id: str, room_id: str, owner: str, device_id: str) -> None:
        """A device that was owed a key has got it, or is no more."""
        room = self._rooms.get(room_id)
        if room is not None and room.outbound is not None and room.outbound.session_id == session_id:
            device = room.outbound.owed.pop((owner, device_id), None)
            if device is not None:
                room.outbound.given.add(device)

    async def encrypt_megolm(self, room_id: str, event_type: str, content: Mapping[str, Any]) -> EncryptedMessage:
        """Encrypts one message; when nothing changed since the last one, without asking anybody.

        Raises:
            NothingEncrypted: if the room is not encrypted.
            SendFailed: if the homeserver could not be asked; nothing was used up, and asking again is right.
            StoreUnwritable: if the disk did not take what has to be kept before the message may go out.
        """
        room = self._room(room_id)
        async with room.lock:
            outbound = room.outbound
            if outbound is None or not self._ready(room, outbound):
                while (outbound := await self._prepare(room_id, room)) is None:
                    logger.info("a room changed while its key was prepared; once more")
            return _encrypted(self._parts.machine, room_id, outbound, event_type, content)

    def _room(self, room_id: str) -> _Room:
        room = self._rooms.get(room_id)
        if room is None:
            room = self._rooms[room_id] = _Room()
            if len(self._rooms) > _REMEMBERED_ROOMS:
                idle = next((name for name, known in self._rooms.items() if not known.lock.locked()), None)
                if idle is not None and idle != room_id:
                    del self._rooms[idle]
        else:
            self._rooms.move_to_end(room_id)
        return room

    def _ready(self, room: _Room, outbound: _Outbound) -> bool:
        encryption = room.encryption
        return (
            encryption is not None
            and room.checked == self._parts.devices.changes
            and self._parts.devices.current(encryption.members)
            and outbound.messages < encryption.rotation_messages
            and self._parts.clock() - outbound.made_at < encryption.rotation_period
        )

    async def _prepare(self, room_id: str, room: _Room) -> _Outbound | None:
        """One step towards a key that every device has; None if the room changed meanwhile."""
        generation = room.generation
        # Not ready until the end of this: a fault on the way must not let a message out with a key that nobody has.
        room.checked = -1
        if room.encryption is None:
            encryption = await ask_for_room(self._parts.calls, room_id)
            if room.generation != generation:
                return None
            room.encryption = encryption
        encryption = room.encryption
        unanswered = await self._parts.devices.make_current(encryption.members)
        if room.generation != generation:
            return None
        # Read after the answers: whatever changes from here on is seen before the next message.
        checked = self._parts.devices.changes
        devices = {device for owner in encryption.members for device in self._parts.devices.of(owner) or ()}
        outbound = self._usable(room, encryption, devices)
        new = devices - outbound.given if outbound is not None else devices
        if outbound is not None:
            new = {device for device in new if outbound.owed.get((device.owner, device.device_id)) != device}
        await self._claim_one_time_keys(room, new)
        if room.generation != generation or checked != self._parts.devices.changes:
            return None
        if outbound is None:
            outbound = room.outbound = _Outbound.make(self._parts.clock())
        await self._share_room_key(room_id, outbound, new, unanswered)
        if room.generation != generation:
            return None
        room.checked = checked
        return outbound

    def _usable(self, room: _Room, encryption: RoomEncryption, devices: set[KnownDevice]) -> _Outbound | None:
        """The room's present key, unless it is used up or somebody has it who should not read on."""
        outbound = room.outbound
        if outbound is None:
            return None
        owed = {device for device in outbound.owed.values() if device is not None}
        if (
            not outbound.given | owed <= devices
            or outbound.messages >= encryption.rotation_messages
            or self._parts.clock() - outbound.made_at >= encryption.rotation_period
        ):
            room.outbound = None
            return None
        return outbound

    async def _claim_one_time_keys(self, room: _Room, devices: set[KnownDevice]) -> None:
        """Opens missing Olm sessions; a homeserver that keeps failing at it does not hold the room up for ever."""
        try:
            await self._parts.opener.open_missing(devices)
        except SendFailed as fault:
            room.failed_claims += 1
            if fault.status is None or (fault.outage and room.failed_claims < _CLAIMS_BEFORE_GOING_ON):
                raise
            logger.warning("one-time keys could not be claimed: %s", fault.errcode)
        room.failed_claims = 0

    async def _share_room_key(
        self, room_id: str, outbound: _Outbound, devices: set[KnownDevice], unanswered: Iterable[str]
    ) -> None:
        """Seals the key for devices, notes those that it does not reach, and sends what is sealed."""
        index = int(outbound.session.message_index)
        if devices or not outbound.kept:
            content = room_key_content(room_id, outbound.session_id, str(outbound.session.session_key.to_base64()))
            ordered = sorted(devices, key=lambda device: (device.owner, device.device_id))
            async with self._parts.generations.step():
                if not outbound.kept:
                    self._parts.outbound_keys.keep(room_id, outbound.session, outbound.made_at)
                batches, without = encrypt_olm_batches(self._parts.machine, ordered, "m.room_key", content)
                self._parts.outbound_keys.note_shared(outbound.session_id, ordered, index)
            outbound.kept = True
            outbound.batches += batches
            outbound.given |= devices - set(without)
            await self._owe(room_id, outbound, {(d.owner, d.device_id): d for d in without}, index)
        await self._owe(room_id, outbound, dict.fromkeys((owner, ALL_DEVICES) for owner in unanswered), index)
        while outbound.batches:
            batch = outbound.batches[0]
            if not await send_batch(self._parts.calls, batch):
                outbound.given -= set(batch.devices)
                await self._owe(room_id, outbound, {(d.owner, d.device_id): d for d in batch.devices}, index)
            del outbound.batches[0]

    async def _owe(
        self,
        room_id: str,
        outbound: _Outbound,
        devices: Mapping[tuple[str, str], KnownDevice | None],
        index: int,
    ) -> None:
        new = {name: device for name, device in devices.items() if outbound.owed.get(name, ...) != device}
        if new:
            keys = [OwedKey(room_id, outbound.session_id, owner, device_id, index) for owner, device_id in new]
            await self._parts.owed_keys.owe(keys, self._parts.clock())
            outbound.owed |= new


def room_key_content(room_id: str, session_id: str, session_key: str) -> dict[str, str]:
    """The content of ``m.room_key``."""
    return {"algorithm": MEGOLM, "room_id": room_id, "session_id": session_id, "session_key": session_key}


def _encrypted(
    machine: OlmMachine, room_id: str, outbound: _Outbound, event_type: str, content: Mapping[str, Any]
) -> EncryptedMessage:
    inside = {key: value for key, value in content.items() if key != "m.relates_to"}
    payload = json.dumps({"type": event_type, "content": inside, "room_id": room_id})
    outbound.messages += 1
    outside: dict[str, Any] = {
        "algorithm": MEGOLM,
        "sender_key": machine.curve25519,
        "ciphertext": outbound.session.encrypt(payload.encode()).to_base64(),
        "session_id": outbound.session_id,
        "device_id": machine.device_id,
    }
    if "m.relates_to" in content:
        # The homeserver counts relations (threads, edits), so they stand in clear.
        outside["m.relates_to"] = content["m.relates_to"]
    return EncryptedMessage(outside, outbound.session_id, frozenset(outbound.owed))
