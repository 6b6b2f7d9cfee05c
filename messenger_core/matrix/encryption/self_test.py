"""The test at start: what the homeserver tells everybody about the device must be what the device itself holds."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from messenger_core.matrix.encryption.cross_signing import (
    device_is_signed,
    identity_is_published,
    master_is_signed_by,
)
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.own_identity import OwnIdentity
from messenger_core.matrix.signatures.keys_answer import listed
from messenger_core.settings import SettingsError


class Listing(StrEnum):
    """How the homeserver lists the device."""

    MISSING = "missing"
    """Not yet, or not any more: its keys are uploaded."""
    OURS = "ours"
    FOREIGN = "foreign"
    """With other keys: those of this device are lost, or somebody else signed in under its name. Clients never
    accept other keys for a device they know, so only a new device helps."""


def device_listing(answer: Mapping[str, Any], machine: OlmMachine) -> Listing:
    """Compares the device's identity keys with those in an answer to ``/keys/query``."""
    described = listed(answer, "device_keys", machine.user_id, machine.device_id)
    if described is None:
        return Listing.MISSING
    own = {f"curve25519:{machine.device_id}": machine.curve25519, f"ed25519:{machine.device_id}": machine.ed25519}
    return Listing.OURS if described.get("keys") == own else Listing.FOREIGN


def check_self(answer: Mapping[str, Any], machine: OlmMachine, identity: OwnIdentity) -> None:
    """Checks everything that others rely on, after it was published.

    Raises:
        SettingsError: naming what the homeserver says otherwise; a session that ran on would send what nobody can
            read.
    """
    faults = [
        words
        for words, good in (
            ("the keys of the account's device", device_listing(answer, machine) is Listing.OURS),
            ("the account's cross-signing keys", identity_is_published(answer, identity)),
            ("the signature of its device", device_is_signed(answer, identity, machine.device_id)),
            ("the device's signature of its master key", master_is_signed_by(answer, machine)),
        )
        if not good
    ]
    if faults:
        raise SettingsError(
            f"the homeserver does not give out {', '.join(faults)} of {machine.user_id} as they were uploaded; "
            "no other client could rely on what is sent. Check that the homeserver and its database are the right ones"
        )
