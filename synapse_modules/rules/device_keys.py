"""Keys of other people's devices: what encryption needs of them, and nothing else that their owner wrote there.

The parts that their owner signed are kept whole or not at all: a signature would not fit what is left of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from synapse_modules.rules.identifiers import is_device_id, is_key, is_like

# Of Matrix 1.15, and their next versions as clients know them already.
_ALGORITHMS = frozenset(
    {
        "m.megolm.v1.aes-sha2",
        "m.megolm.v2.aes-sha2",
        "m.olm.v1.curve25519-aes-sha2",
        "m.olm.v2.curve25519-aes-sha2",
    }
)
_is_signature = is_like(r"[A-Za-z0-9+/]{86}")
_ONE_TIME = "signed_curve25519"
_ANSWERED = {"master_keys": "master", "self_signing_keys": "self_signing"}
"""The kinds of keys by which people vouch for their devices, by where an answer has them."""


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _kept(by_name: object, keep: Callable[[str, Any], Any]) -> dict[str, Any]:
    """What is kept of the values of an object, by their names; nothing of what is no object."""
    kept = {name: keep(name, value) for name, value in _object(by_name).items()}
    return {name: value for name, value in kept.items() if value is not None}


def _signatures(value: object, signers: Collection[str]) -> dict[str, dict[str, str]]:
    """No part of what is signed, so that those of others can be left out."""

    def signature(name: str, value: object) -> str | None:
        kind, _, key = name.partition(":")
        is_one = kind == "ed25519" and is_device_id(key) and _is_signature(value)
        return str(value) if is_one else None

    return {signer: _kept(_object(value).get(signer), signature) for signer in signers if signer in _object(value)}


def of_device(user_id: str, device_id: str, value: object, signers: Collection[str] = ()) -> dict[str, Any] | None:
    """A device's keys; None if they are none, or say anything else.

    Args:
        user_id: whose device it is.
        device_id: which one.
        value: whatever is there instead of keys.
        signers: whose signatures are kept beside its owner's.
    """
    device = _object(value)
    signed = {key: one for key, one in device.items() if key not in {"signatures", "unsigned"}}
    algorithms, keys = signed.get("algorithms"), signed.get("keys")
    is_readable = (
        signed.keys() - {"dehydrated"} == {"user_id", "device_id", "algorithms", "keys"}
        and signed.get("dehydrated", True) is True
        and (signed["user_id"], signed["device_id"]) == (user_id, device_id)
        and is_device_id(device_id)
        and isinstance(algorithms, list)
        and all(isinstance(one, str) and one in _ALGORITHMS for one in algorithms)
        and isinstance(keys, Mapping)
        and keys.keys() <= {f"curve25519:{device_id}", f"ed25519:{device_id}"}
        and all(is_key(key) for key in keys.values())
    )
    if not is_readable:
        return None
    return signed | {"signatures": _signatures(device.get("signatures"), {user_id, *signers})}


def of_devices(user_id: str, devices: object, signers: Collection[str] = ()) -> dict[str, dict[str, Any]]:
    """The keys of somebody's devices, by their ids."""
    return _kept(devices, lambda device_id, device: of_device(user_id, device_id, device, signers))


def of_person(user_id: str, usage: str, value: object, signers: Collection[str] = ()) -> dict[str, Any] | None:
    """A key by which somebody vouches for her devices; None if it is none, or says anything else.

    Args:
        user_id: whose key it is.
        usage: ``master`` or ``self_signing``.
        value: whatever is there instead of a key.
        signers: whose signatures are kept beside its owner's.
    """
    person = _object(value)
    signed = {key: one for key, one in person.items() if key not in {"signatures", "unsigned"}}
    is_readable = (
        signed.keys() == {"user_id", "usage", "keys"}
        and (signed["user_id"], signed["usage"]) == (user_id, [usage])
        and isinstance(signed["keys"], Mapping)
        and len(signed["keys"]) == 1
        and all(name == f"ed25519:{key}" and is_key(key) for name, key in signed["keys"].items())
    )
    if not is_readable:
        return None
    return signed | {"signatures": _signatures(person.get("signatures"), {user_id, *signers})}


def _one_time_key(user_id: str, name: str, value: object) -> dict[str, Any] | None:
    key, (kind, _, number) = _object(value), name.partition(":")
    signed = {one: key[one] for one in ("key", "fallback") if one in key}
    is_readable = (
        (kind == _ONE_TIME and is_device_id(number))
        and key.keys() <= {"key", "fallback", "signatures", "unsigned"}
        and is_key(key.get("key"))
        and key.get("fallback", True) is True
    )
    return signed | {"signatures": _signatures(key.get("signatures"), {user_id})} if is_readable else None


def of_claim(answer: object) -> dict[str, Any]:
    """The one-time keys of an answer to ``/keys/claim``, whatever it says."""

    def of_claimed(user_id: str, by_device: object) -> dict[str, Any] | None:
        def of_one(device_id: str, keys: object) -> dict[str, Any] | None:
            kept = _kept(keys, lambda name, key: _one_time_key(user_id, name, key))
            return kept if kept and is_device_id(device_id) else None

        return _kept(by_device, of_one)

    return {"one_time_keys": _kept(_object(answer).get("one_time_keys"), of_claimed)}


def of_query(answer: object, signers: Collection[str] = ()) -> dict[str, Any]:
    """The keys of an answer to ``/keys/query``, whatever it says."""
    said = _object(answer)

    def persons(where: str, usage: str) -> dict[str, Any]:
        return _kept(said.get(where), lambda user_id, one: of_person(user_id, usage, one, signers))

    devices = _kept(said.get("device_keys"), lambda user_id, one: of_devices(user_id, one, signers))
    return {"device_keys": devices} | {where: persons(where, usage) for where, usage in _ANSWERED.items()}


def of_device_list(user_id: str, answer: object) -> dict[str, Any] | None:
    """What another server says that the devices of its user are; None if it cannot be read.

    Names of devices are left out: they are their owner's own text, and other people have no use for them.
    """
    said = _object(answer)
    devices, stream_id = said.get("devices"), said.get("stream_id")
    if not isinstance(devices, list) or type(stream_id) is not int:
        return None
    named = [one for one in map(_object, devices) if is_device_id(one.get("device_id"))]
    kept = of_devices(user_id, {one["device_id"]: one.get("keys") for one in named})
    listed = [{"device_id": device_id, "keys": keys} for device_id, keys in kept.items()]
    return {"user_id": user_id, "stream_id": stream_id, "devices": listed} | of_vouching(user_id, said)


def of_vouching(user_id: str, said: Mapping[str, Any]) -> dict[str, Any]:
    """The keys by which a user of another server vouches for her devices, by the names that servers give them."""
    keys = {f"{usage}_key": of_person(user_id, usage, said.get(f"{usage}_key")) for usage in _ANSWERED.values()}
    return {name: key for name, key in keys.items() if key is not None}


def of_changed_device(content: Mapping[str, Any]) -> dict[str, Any] | None:
    """What another server says of one changed device; None if it cannot be read.

    Raises:
        KeyError, TypeError, ValueError: likewise.
    """
    user_id, device_id, before = content["user_id"], content["device_id"], content.get("prev_id", [])
    is_readable = (
        is_device_id(device_id)
        and type(content["stream_id"]) is int
        and isinstance(before, list)
        and all(type(one) is int for one in before)
        and isinstance(content.get("deleted", False), bool)
    )
    keys = of_device(user_id, device_id, content.get("keys"))
    wanted = ("user_id", "device_id", "stream_id", "prev_id", "deleted")
    kept = {key: content[key] for key in wanted if key in content}
    if keys is not None:
        kept["keys"] = keys
    return kept if is_readable else None
