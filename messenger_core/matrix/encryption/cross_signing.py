"""Publishes the account's identity: its cross-signing keys, and with them the signature of its one device.

Clients may refuse to talk to devices that their owner has not signed (MSC4153), so a session does not run without.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.own_identity import OwnIdentity, SigningKey
from messenger_core.matrix.faults import SendFailed
from messenger_core.matrix.homeserver_calls import HomeserverCalls
from messenger_core.matrix.signatures.keys_answer import listed
from messenger_core.matrix.signatures.signed_json import canonical_json, is_signed_by
from messenger_core.settings import SettingsError

logger = logging.getLogger(__name__)

_PLACES = ("master_keys", "self_signing_keys", "user_signing_keys")


async def ask_for_own_keys(calls: HomeserverCalls) -> dict[str, Any]:
    """What the homeserver tells everybody about the account's keys (``/keys/query``).

    Raises:
        SendFailed: if it could not be asked.
    """
    return await calls.post("/_matrix/client/v3/keys/query", {"device_keys": {calls.user_id: []}})


def identity_is_published(answer: Mapping[str, Any], identity: OwnIdentity) -> bool:
    """Whether the homeserver names exactly the account's own three keys, the two lower ones signed by the master."""
    user_id, master = identity.user_id, identity.master
    for place, key in zip(_PLACES, (master, identity.self_signing, identity.user_signing), strict=True):
        described = listed(answer, place, user_id)
        if described is None or described.get("keys") != {key.key_id: key.public}:
            return False
        if key is not master and not is_signed_by(described, user_id, master.key_id, master.public):
            return False
    return True


def device_is_signed(answer: Mapping[str, Any], identity: OwnIdentity, device_id: str) -> bool:
    """Whether the device carries the signature of the account's identity."""
    described = listed(answer, "device_keys", identity.user_id, device_id)
    key = identity.self_signing
    return described is not None and is_signed_by(described, identity.user_id, key.key_id, key.public)


def master_is_signed_by(answer: Mapping[str, Any], machine: OlmMachine) -> bool:
    """Whether the master key carries the device's signature."""
    described = listed(answer, "master_keys", machine.user_id)
    name = f"ed25519:{machine.device_id}"
    return described is not None and is_signed_by(described, machine.user_id, name, machine.ed25519)


async def publish_identity(calls: HomeserverCalls, machine: OlmMachine, identity: OwnIdentity) -> None:
    """Publishes what is missing; whatever was interrupted before is made whole by doing it again.

    Another identity of the account, whose keys are lost, is replaced: for that the homeserver wants the account's key
    once more (``post_with_proof``).

    Raises:
        SendFailed: if the homeserver could not be asked.
        SettingsError: if it does not take the identity.
    """
    answer = await ask_for_own_keys(calls)
    if not identity_is_published(answer, identity):
        if listed(answer, "master_keys", identity.user_id) is not None:
            logger.warning("the homeserver holds an identity of the account whose keys are lost; it is replaced")
        await _post(calls, "/_matrix/client/v3/keys/device_signing/upload", identity.upload())
        answer = await ask_for_own_keys(calls)
    signed = _missing_signatures(answer, machine, identity)
    if signed:
        refused = await _post(calls, "/_matrix/client/v3/keys/signatures/upload", {identity.user_id: signed})
        if refused.get("failures"):
            raise SettingsError(f"the homeserver does not take the signature of the device of {identity.user_id}")


def _missing_signatures(
    answer: Mapping[str, Any], machine: OlmMachine, identity: OwnIdentity
) -> dict[str, dict[str, Any]]:
    signed: dict[str, dict[str, Any]] = {}
    device = listed(answer, "device_keys", identity.user_id, machine.device_id)
    if device is not None and not device_is_signed(answer, identity, machine.device_id):
        signed[machine.device_id] = identity.self_signing.signed(identity.user_id, device)
    master = listed(answer, "master_keys", identity.user_id)
    if master is not None and not master_is_signed_by(answer, machine):
        signed[identity.master.public] = device_signed(machine, master)
    return signed


def device_signed(machine: OlmMachine, value: Mapping[str, Any]) -> dict[str, Any]:
    """The object with the device's own signature and no other."""
    signature = machine.account.sign(canonical_json(value).decode())
    bare = {key: part for key, part in value.items() if key not in {"signatures", "unsigned"}}
    return bare | {"signatures": {machine.user_id: {f"ed25519:{machine.device_id}": signature}}}


async def _post(calls: HomeserverCalls, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return await calls.post_with_proof(path, body)
    except SendFailed as fault:
        # 401 after the proof was given: it does not count for this homeserver.
        if fault.outage and fault.status != 401:
            raise
        raise SettingsError(
            f"the homeserver does not take the identity of {calls.user_id} ({fault.errcode or fault.status}); "
            "it must accept the account's key to replace an older one (login type de.hek.login.private_key_jwt)"
        ) from None


async def remove_other_devices(calls: HomeserverCalls) -> None:
    """Removes every device of the account but this one: a service has exactly one, and nobody sends to old ones.

    Raises:
        SendFailed: if the homeserver could not be asked.
        SettingsError: if it refuses.
    """
    answer = await calls.get("/_matrix/client/v3/devices")
    devices = answer.get("devices")
    names = {one.get("device_id") for one in devices if isinstance(one, dict)} if isinstance(devices, list) else set()
    others = sorted(name for name in names if isinstance(name, str) and name != calls.device_id)
    if others:
        await _post(calls, "/_matrix/client/v3/delete_devices", {"devices": others})
        logger.warning("%d older devices of the account were removed", len(others))


def fingerprint(key: SigningKey | str) -> str:
    """A public key in groups of four characters, as clients show it to compare."""
    public = key if isinstance(key, str) else key.public
    return " ".join(public[start : start + 4] for start in range(0, len(public), 4))
