"""How a KVNR is kept: found by a keyed hash, read back only with the encryption key that it was sealed with."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from synapse_modules.rules.errors import ModuleError

KEY_BYTES = 32
KEY_ID_LENGTH = 8
KEY_ID_END = "."
_NONCE_BYTES = 12


class SealBroken(ModuleError):  # noqa: N818 - reads as what happened
    """A sealed KVNR cannot be read: a missing key, another account, or a changed row."""


def key_id(key: bytes) -> str:
    """The name of a key in seals: it tells keys apart and says nothing about them."""
    return hashlib.sha256(b"kvnr-encryption-key " + key).hexdigest()[:KEY_ID_LENGTH]


class KvnrVault:
    """Keyed hashes (HMAC-SHA256) and seals (AES-256-GCM) of KVNRs.

    A seal is ``KEY_ID.BASE64``. Seals of the first release have no key id; they are tried with every key.
    """

    def __init__(self, lookup_key: bytes, encryption_keys: Sequence[bytes]) -> None:
        """Takes keys of 32 bytes, each another one; the last encryption key is the newest, and seals."""
        self._lookup_key = lookup_key
        self._ciphers = {key_id(key): AESGCM(key) for key in encryption_keys}
        self._newest = key_id(encryption_keys[-1])

    @property
    def newest_key_id(self) -> str:
        """The id of the key that seals."""
        return self._newest

    def knows_key(self, wanted: str) -> bool:
        """Whether a key is among those that seals can be opened with."""
        return wanted in self._ciphers

    def lookup_hash(self, kvnr: str) -> str:
        """What a KVNR is found by, 64 hexadecimal digits."""
        return hmac.new(self._lookup_key, kvnr.encode(), hashlib.sha256).hexdigest()

    def seal(self, kvnr: str, user_id: str) -> str:
        """The encrypted KVNR; it can be opened for the same account only."""
        nonce = os.urandom(_NONCE_BYTES)
        content = nonce + self._ciphers[self._newest].encrypt(nonce, kvnr.encode(), user_id.encode())
        return self._newest + KEY_ID_END + base64.b64encode(content).decode()

    def open(self, sealed: str, user_id: str) -> str:
        """The KVNR of an account.

        Raises:
            SealBroken: if it cannot be read.
        """
        name, _, content = sealed.rpartition(KEY_ID_END)
        raw = base64.b64decode(content)
        ciphers = [self._ciphers[name]] if name in self._ciphers else [] if name else list(self._ciphers.values())
        for cipher in ciphers:
            try:
                return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], user_id.encode()).decode()
            except InvalidTag:
                continue
        raise SealBroken
