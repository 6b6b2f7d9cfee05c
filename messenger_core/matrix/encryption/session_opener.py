"""Opens Olm sessions with devices that have none, by claiming one of their one-time keys."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import vodozemac
from nio.crypto import Session

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import KnownDevice
from messenger_core.matrix.encryption.store_rollback import Generations
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.signatures.signed_json import is_signed_by

logger = logging.getLogger(__name__)

_DEVICES_IN_ONE_CLAIM = 100


class SessionOpener:
    """Makes sure that there are Olm sessions with devices."""

    def __init__(self, machine: OlmMachine, generations: Generations, calls: HomeserverCalls) -> None:
        self._machine = machine
        self._generations = generations
        self._calls = calls
        self._claiming = asyncio.Lock()

    async def open_missing(self, devices: Collection[KnownDevice]) -> None:
        """Opens a session with each of these devices that has none, as far as the device left a one-time key.

        Raises:
            SendFailed: if the homeserver could not be asked, or refused.
            StoreUnwritable: if the disk did not take a new session.
        """
        # Two rooms that write to the same device at once must not use up two of its keys.
        async with self._claiming:
            missing = [device for device in devices if not self._machine.olm_sessions(device.curve25519)]
            await self._open(missing)

    async def open_new(self, devices: Collection[KnownDevice]) -> list[KnownDevice]:
        """Opens another session with each of these devices, whatever there is.

        Returns:
            Those that left a one-time key.

        Raises:
            SendFailed: if the homeserver could not be asked, or refused.
            StoreUnwritable: if the disk did not take a new session.
        """
        async with self._claiming:
            return await self._open(list(devices))

    async def _open(self, devices: Sequence[KnownDevice]) -> list[KnownDevice]:
        opened = []
        for start in range(0, len(devices), _DEVICES_IN_ONE_CLAIM):
            wanted = devices[start : start + _DEVICES_IN_ONE_CLAIM]
            claim: dict[str, dict[str, str]] = {}
            for device in wanted:
                claim.setdefault(device.owner, {})[device.device_id] = "signed_curve25519"
            question = {"timeout": 10_000, "one_time_keys": claim}
            answer = await self._calls.post("/_matrix/client/v3/keys/claim", question)
            async with self._generations.step():
                opened += [device for device in wanted if self._open_one(device, answer.get("one_time_keys"))]
        if len(opened) < len(devices):
            logger.warning("%d devices left no usable one-time key", len(devices) - len(opened))
        return opened

    def _open_one(self, device: KnownDevice, keys: object) -> bool:
        one_time_key = _signed_key(device, keys)
        if one_time_key is None:
            return False
        try:
            made = self._machine.account.create_outbound_session(device.curve25519, one_time_key)
        except ValueError:
            # vodozemac's own exceptions are ValueErrors.
            return False
        self._machine.add_olm_session(device.curve25519, Session(made))
        return True


def _signed_key(device: KnownDevice, keys: object) -> str | None:
    """The one-time key of a device in an answer to ``/keys/claim``, if the device signed it."""
    of_owner = keys.get(device.owner) if isinstance(keys, dict) else None
    of_device = of_owner.get(device.device_id) if isinstance(of_owner, dict) else None
    named: Mapping[str, Any] = of_device if isinstance(of_device, dict) else {}
    for name, key in named.items():
        if (
            name.startswith("signed_curve25519:")
            and isinstance(key, dict)
            and isinstance(key.get("key"), str)
            and is_signed_by(key, device.owner, f"ed25519:{device.device_id}", device.ed25519)
        ):
            try:
                vodozemac.Curve25519PublicKey.from_base64(key["key"])
            except ValueError:
                continue
            return str(key["key"])
    return None
