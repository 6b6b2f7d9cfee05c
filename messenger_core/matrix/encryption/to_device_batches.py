"""To-device messages on their way: sealed once, sent with the same transaction id until they are taken."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.olm_channel import KnownDevice, encrypt_olm
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls

logger = logging.getLogger(__name__)

_DEVICES_IN_ONE_BATCH = 50


@dataclass(frozen=True, slots=True)
class ToDeviceBatch:
    """One request full of encrypted to-device messages.

    Sealing again for each attempt would move the ratchets on each time, and after 2,000 of them no device follows.
    """

    devices: tuple[KnownDevice, ...]
    messages: Mapping[str, Mapping[str, Any]]
    transaction_id: str = field(default_factory=lambda: secrets.token_hex(16))


def encrypt_olm_batches(
    machine: OlmMachine, devices: Iterable[KnownDevice], event_type: str, content: Mapping[str, Any]
) -> tuple[list[ToDeviceBatch], list[KnownDevice]]:
    """Encrypts the same content for each device; call it in a transaction.

    Returns:
        What to send, and the devices that there is no Olm session with.
    """
    sealed: list[tuple[KnownDevice, dict[str, Any]]] = []
    without: list[KnownDevice] = []
    for device in devices:
        message = encrypt_olm(machine, device, event_type, content)
        if message is None:
            without.append(device)
        else:
            sealed.append((device, message))
    batches = []
    for start in range(0, len(sealed), _DEVICES_IN_ONE_BATCH):
        messages: dict[str, dict[str, Any]] = {}
        part = sealed[start : start + _DEVICES_IN_ONE_BATCH]
        for device, message in part:
            messages.setdefault(device.owner, {})[device.device_id] = message
        batches.append(ToDeviceBatch(tuple(device for device, _ in part), messages))
    return batches, without


async def send_batch(calls: HomeserverCalls, batch: ToDeviceBatch) -> bool:
    """Sends a batch; whether the homeserver took it. One that it refuses for good is not worth another attempt.

    Raises:
        SendFailed: if the homeserver was away; the same batch is to be sent again.
    """
    path = calls.path("/_matrix/client/v3/sendToDevice/m.room.encrypted/{}", batch.transaction_id)
    try:
        await calls.put(path, {"messages": batch.messages})
    except SendFailed as fault:
        if fault.outage or fault.status in {401, 403}:
            raise
        logger.warning("the homeserver refused %d room keys: %s", len(batch.devices), fault.errcode)
        return False
    return True
