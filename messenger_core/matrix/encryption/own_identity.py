"""The account's own cross-signing keys: made once, kept beside the device's store, sealed with the store key."""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from messenger_core.matrix.encryption.private_files import write_private_file
from messenger_core.matrix.faults import StoreUnwritable
from messenger_core.matrix.signatures.signed_json import canonical_json
from messenger_core.settings import SettingsError

_FILE_NAME = "identity"
_ROLES = ("master", "self_signing", "user_signing")
_SEED_BYTES = 32
_NONCE_BYTES = 12


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One Ed25519 key of the identity."""

    seed: bytes

    def __repr__(self) -> str:
        return "SigningKey(…)"

    @property
    def public(self) -> str:
        """The public half, unpadded base64."""
        return _unpadded(Ed25519PrivateKey.from_private_bytes(self.seed).public_key().public_bytes_raw())

    @property
    def key_id(self) -> str:
        """What its signatures are named."""
        return f"ed25519:{self.public}"

    def signed(self, user_id: str, value: Mapping[str, Any]) -> dict[str, Any]:
        """The object with this key's signature and no other."""
        signature = _unpadded(Ed25519PrivateKey.from_private_bytes(self.seed).sign(canonical_json(value)))
        bare = {key: part for key, part in value.items() if key != "unsigned"}
        return bare | {"signatures": {user_id: {self.key_id: signature}}}


@dataclass(frozen=True, slots=True)
class OwnIdentity:
    """Master, self-signing and user-signing key of the account."""

    user_id: str
    master: SigningKey
    self_signing: SigningKey
    user_signing: SigningKey

    @classmethod
    def open(cls, user_id: str, directory: Path, store_key: str) -> OwnIdentity:
        """Reads the keys, or makes them if there are none; they are on the disk before anybody hears of them.

        Raises:
            SettingsError: if the store key does not fit them.
            StoreUnwritable: if the disk does not give or take them.
        """
        file = directory / _FILE_NAME
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not file.exists():
                write_private_file(
                    file, _sealed(user_id, store_key, [secrets.token_bytes(_SEED_BYTES) for _ in _ROLES])
                )
            sealed = file.read_bytes()
        except OSError as fault:
            raise StoreUnwritable(f"the cross-signing keys cannot be kept: {type(fault).__name__}") from None
        try:
            seeds = json.loads(
                _cipher(store_key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(user_id))
            )
        except (InvalidTag, ValueError):
            raise SettingsError(
                f"{file}: the store key does not fit these cross-signing keys; use the key they were made with, "
                "or remove the file: the account then gets a new identity, which everybody who compared it sees"
            ) from None
        return cls(user_id, *(SigningKey(base64.b64decode(seeds[role])) for role in _ROLES))

    def upload(self) -> dict[str, Any]:
        """What ``/keys/device_signing/upload`` takes (Matrix specification, cross-signing)."""
        return {
            "master_key": self._described("master", self.master),
            "self_signing_key": self.master.signed(self.user_id, self._described("self_signing", self.self_signing)),
            "user_signing_key": self.master.signed(self.user_id, self._described("user_signing", self.user_signing)),
        }

    def _described(self, role: str, key: SigningKey) -> dict[str, Any]:
        return {"user_id": self.user_id, "usage": [role], "keys": {key.key_id: key.public}}


def _bound(user_id: str) -> bytes:
    return f"cross-signing {user_id}".encode()


def _cipher(store_key: str) -> AESGCM:
    return AESGCM(HKDF(SHA256(), 32, None, b"cross-signing keys").derive(store_key.encode()))


def _sealed(user_id: str, store_key: str, seeds: list[bytes]) -> bytes:
    clear = json.dumps({role: base64.b64encode(seed).decode() for role, seed in zip(_ROLES, seeds, strict=True)})
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + _cipher(store_key).encrypt(nonce, clear.encode(), _bound(user_id))
