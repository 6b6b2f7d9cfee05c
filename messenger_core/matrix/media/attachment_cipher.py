"""Matrix's encryption of attachments, version 2: AES-256 in counter mode, and SHA-256 of the ciphertext.

Source: Matrix client-server API, "Sending encrypted attachments" (``EncryptedFile``).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from messenger_core.matrix.faults import FileUnreadable
from messenger_core.matrix.store.media_ledger import is_media_address

_KEY_BYTES = 32
_IV_BYTES = 16
_COUNTER_BYTES = 8
_BLOCK_BYTES = 16
_HASH_BYTES = 32
# Both alphabets, with or without padding: clients differ, and the number of bytes is checked anyway.
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{1,86}={0,2}")


class Keystream(Protocol):
    """Turns clear bytes into encrypted ones, and back; in counter mode both are the same step."""

    def update(self, data: bytes) -> bytes:
        """The next piece."""
        ...


@dataclass(frozen=True, slots=True)
class FileKey:
    """What one file is encrypted with; never used for a second one.

    Attributes:
        key: 32 bytes.
        iv: 16 bytes: a random half, and the half in which blocks are counted.
    """

    key: bytes = field(repr=False)
    iv: bytes = field(repr=False)

    @classmethod
    def fresh(cls) -> FileKey:
        """A new random key; the counting half of the IV is zero, so that it cannot overflow."""
        return cls(os.urandom(_KEY_BYTES), os.urandom(_IV_BYTES - _COUNTER_BYTES) + bytes(_COUNTER_BYTES))

    def keystream(self) -> Keystream:
        """Encrypts or decrypts from the file's first byte on."""
        return Cipher(AES(self.key), CTR(self.iv)).encryptor()

    def lasts_for(self, size: int) -> bool:
        """Whether ``size`` bytes can be counted; where clients overflow differently, the same file would be two."""
        blocks = -(-size // _BLOCK_BYTES)
        return int.from_bytes(self.iv[-_COUNTER_BYTES:], "big") + blocks <= 1 << (8 * _COUNTER_BYTES)


class Sealing:
    """Encrypts one file with a fresh key, piece by piece."""

    def __init__(self) -> None:
        self._key = FileKey.fresh()
        self._keystream = self._key.keystream()
        self._hash = hashlib.sha256()

    def update(self, piece: bytes) -> bytes:
        """The ciphertext of the next piece."""
        ciphertext = self._keystream.update(piece)
        self._hash.update(ciphertext)
        return ciphertext

    def described(self, mxc: str) -> dict[str, Any]:
        """The ``EncryptedFile`` object of what was sealed so far, stored under ``mxc``."""
        return {
            "v": "v2",
            "url": mxc,
            "key": {
                "kty": "oct",
                "alg": "A256CTR",
                "ext": True,
                "key_ops": ["encrypt", "decrypt"],
                "k": base64.urlsafe_b64encode(self._key.key).decode().rstrip("="),
            },
            "iv": base64.b64encode(self._key.iv).decode().rstrip("="),
            "hashes": {"sha256": base64.b64encode(self._hash.digest()).decode().rstrip("=")},
        }


@dataclass(frozen=True, slots=True)
class EncryptedFile:
    """A file as an event describes it.

    Attributes:
        mxc: where its ciphertext lies.
        key: what it is decrypted with.
        sha256: the hash of its ciphertext.
    """

    mxc: str
    key: FileKey
    sha256: bytes

    @classmethod
    def from_content(cls, described: object) -> EncryptedFile:
        """Reads an ``EncryptedFile`` object, in which anybody can write anything.

        Raises:
            FileUnreadable: with the reason ``not_encrypted`` (no such object), ``bad_address``, ``bad_version``,
                ``bad_key``, ``bad_iv`` or ``no_hash``.
        """
        if not isinstance(described, Mapping):
            raise FileUnreadable("not_encrypted")
        mxc = described.get("url")
        if not is_media_address(mxc):
            raise FileUnreadable("bad_address")
        if described.get("v") != "v2":
            raise FileUnreadable("bad_version")
        jwk = described.get("key")
        if not isinstance(jwk, Mapping) or jwk.get("kty") != "oct" or jwk.get("alg") != "A256CTR":
            raise FileUnreadable("bad_key")
        hashes = described.get("hashes")
        return cls(
            mxc,
            FileKey(
                _exactly(_KEY_BYTES, jwk.get("k"), otherwise="bad_key"),
                _exactly(_IV_BYTES, described.get("iv"), otherwise="bad_iv"),
            ),
            _exactly(_HASH_BYTES, hashes.get("sha256") if isinstance(hashes, Mapping) else None, otherwise="no_hash"),
        )


def _exactly(length: int, encoded: object, *, otherwise: str) -> bytes:
    """So many bytes from base64."""
    if not isinstance(encoded, str) or _BASE64.fullmatch(encoded) is None:
        raise FileUnreadable(otherwise)
    digits = encoded.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        decoded = base64.b64decode(digits + "=" * (-len(digits) % 4))
    except binascii.Error:
        raise FileUnreadable(otherwise) from None
    if len(decoded) != length:
        raise FileUnreadable(otherwise)
    return decoded
