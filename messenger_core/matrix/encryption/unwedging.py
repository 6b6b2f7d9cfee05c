"""Opens a new Olm session with a device whose messages can no longer be opened, so that the next ones can."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix.encryption.components import EncryptionComponents
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import KnownDevice
from messenger_core.matrix.encryption.to_device_batches import ToDeviceBatch, encrypt_olm_batches, send_batch

logger = logging.getLogger(__name__)

# As the Matrix specification asks: whoever sends broken messages must not make us use up one-time keys all the time.
_PAUSE = timedelta(hours=1)
_AT_ONCE = 50


def mark_wedged(machine: OlmMachine, owner: str, curve25519: str, now: datetime) -> None:
    """Notes that a message of a device could not be opened with any session."""
    machine.sql(
        "INSERT OR IGNORE INTO wedged_device(owner, curve25519, since) VALUES (?, ?, ?)",
        (owner, curve25519, to_milliseconds(now)),
    )


class Unwedger:
    """Heals the Olm sessions of one account."""

    def __init__(self, parts: EncryptionComponents) -> None:
        self._parts = parts
        self._parcels: list[ToDeviceBatch] = []

    async def unwedge(self) -> None:
        """Opens a new session with each device that is marked, at most one an hour, and says so with ``m.dummy``.

        Raises:
            SendFailed: if the homeserver could not be asked; it is tried again at the next call.
            StoreUnwritable: if the disk did not take it.
        """
        machine = self._parts.machine
        marked = machine.sql("SELECT owner, curve25519, since FROM wedged_device ORDER BY since LIMIT ?", (_AT_ONCE,))
        away = await self._parts.devices.make_current({str(owner) for owner, _, _ in marked})
        due: list[KnownDevice] = []
        for owner, curve25519, since in marked:
            devices = [one for one in self._parts.devices.with_key(str(curve25519)) if one.owner == owner]
            newest = self._newest_session(str(curve25519))
            if not devices and owner in away:
                continue
            if not devices or (newest is not None and newest > int(since)):
                # No device of this person's, or it opened a new session itself meanwhile.
                self._unmark((owner, curve25519))
            elif newest is None or to_milliseconds(self._parts.clock() - _PAUSE) >= newest:
                due += devices
        if due:
            await self._open(due)
        while self._parcels:
            await send_batch(self._parts.calls, self._parcels[0])
            del self._parcels[0]

    async def _open(self, due: Iterable[KnownDevice]) -> None:
        opened = await self._parts.opener.open_new(list(due))
        async with self._parts.generations.step():
            batches, _ = encrypt_olm_batches(self._parts.machine, opened, "m.dummy", {})
            for device in due:
                self._unmark((device.owner, device.curve25519))
        self._parcels += batches
        logger.warning("%d broken Olm sessions were replaced", len(opened))

    def _newest_session(self, curve25519: str) -> int | None:
        made = [session.creation_time for session in self._parts.machine.olm_sessions(curve25519)]
        return int(max(made).timestamp() * 1000) if made else None

    def _unmark(self, mark: tuple[str, str]) -> None:
        with self._parts.machine.transaction():
            self._parts.machine.sql("DELETE FROM wedged_device WHERE owner = ? AND curve25519 = ?", mark)
