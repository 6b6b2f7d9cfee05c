"""What the parts of one device's encryption share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from messenger_core.matrix.encryption.device_lists import DeviceLists
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.outbound_keys import OutboundKeys
from messenger_core.matrix.encryption.session_opener import SessionOpener
from messenger_core.matrix.encryption.store_rollback import Generations
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.store.owed_keys import OwedKeys


@dataclass(frozen=True, slots=True)
class EncryptionComponents:
    """One account's device, its stores and its connection.

    Attributes:
        generations: every change of a ratchet is made in one of its steps.
        clock: the present.
    """

    machine: OlmMachine
    generations: Generations
    calls: HomeserverCalls
    devices: DeviceLists
    opener: SessionOpener
    outbound_keys: OutboundKeys
    owed_keys: OwedKeys
    clock: Callable[[], datetime]
