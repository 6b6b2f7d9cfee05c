"""Reads from an answer to ``/keys/query`` which devices their owners vouch for by cross-signing.

The homeserver is not believed: each signature on the way from the master key over the self-signing key to the device
is checked. Which master key is the right one is trusted at first sight, and a later change is noticed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import vodozemac

from messenger_core.matrix.signatures.keys_answer import listed
from messenger_core.matrix.signatures.signed_json import is_signed_by

_KEY_PREFIX = "ed25519:"


class DeviceTrust(StrEnum):
    """How far a device can be taken for its owner's."""

    UNKNOWN = "unknown"
    """The homeserver never listed it."""
    KNOWN = "known"
    """The homeserver lists it; its owner has not signed it."""
    CROSS_SIGNED = "cross_signed"
    """Its owner's identity, the same since it was first seen, signed it."""
    IDENTITY_CHANGED = "identity_changed"
    """Its owner has another master key than at first: a new identity, or somebody in between."""


class DeviceRefusal(StrEnum):
    """Why what is written from a device does not count as its owner's decision; the values are keys of catalogues."""

    NOT_SIGNED = "device_not_signed"
    IDENTITY_CHANGED = "identity_changed"


def refusal_of_device(trust: DeviceTrust) -> DeviceRefusal | None:
    """Whether a decision counts from a device; None if it does.

    The homeserver, or whoever has somebody's sign-in, can add devices to an account; it cannot sign them.
    """
    if trust is DeviceTrust.CROSS_SIGNED:
        return None
    return DeviceRefusal.IDENTITY_CHANGED if trust is DeviceTrust.IDENTITY_CHANGED else DeviceRefusal.NOT_SIGNED


@dataclass(frozen=True, slots=True)
class VouchedDevices:
    """What one person's identity says.

    Attributes:
        master_key: the public key, None if there is no usable one.
        self_signing_key: the public key, None unless the master key signed it.
        devices: device id to signing key (ed25519), of those that the self-signing key signed.
    """

    master_key: str | None
    self_signing_key: str | None
    devices: Mapping[str, str]


def vouched_devices(answer: Mapping[str, Any], owner: str) -> VouchedDevices:
    """Follows the signatures of one person; whatever is oddly made counts as not there."""
    master = _only_key(listed(answer, "master_keys", owner), owner, "master")
    described = listed(answer, "self_signing_keys", owner)
    signing = _only_key(described, owner, "self_signing")
    if (
        master is None
        or described is None
        or signing is None
        or not is_signed_by(described, owner, f"{_KEY_PREFIX}{master}", master)
    ):
        return VouchedDevices(master, None, {})
    devices: dict[str, str] = {}
    for device_id, device in (listed(answer, "device_keys", owner) or {}).items():
        ed25519 = _device_key(device, owner, device_id)
        # Another homeserver may list any name at all; no database takes all of them.
        if (
            ed25519 is not None
            and device_id.isprintable()
            and is_signed_by(device, owner, f"{_KEY_PREFIX}{signing}", signing)
        ):
            devices[device_id] = ed25519
    return VouchedDevices(master, signing, devices)


def _only_key(described: Mapping[str, Any] | None, owner: str, usage: str) -> str | None:
    """The key of a cross-signing key's description, if it is one for this owner and this use."""
    if described is None or described.get("user_id") != owner:
        return None
    usages, keys = described.get("usage"), described.get("keys")
    if not isinstance(usages, list) or usage not in usages or not isinstance(keys, dict) or len(keys) != 1:
        return None
    name, key = next(iter(keys.items()))
    if not isinstance(key, str) or name != f"{_KEY_PREFIX}{key}":
        return None
    try:
        vodozemac.Ed25519PublicKey.from_base64(key)
    except ValueError:
        return None
    return key


def _device_key(device: object, owner: str, device_id: str) -> str | None:
    """A device's signing key, if the description is about this device and signed by it."""
    if not isinstance(device, dict) or device.get("user_id") != owner or device.get("device_id") != device_id:
        return None
    keys = device.get("keys")
    key = keys.get(f"{_KEY_PREFIX}{device_id}") if isinstance(keys, dict) else None
    if not isinstance(key, str) or not is_signed_by(device, owner, f"{_KEY_PREFIX}{device_id}", key):
        return None
    return key
