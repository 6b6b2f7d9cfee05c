"""How a KVNR is kept: found by a keyed hash, read back only with the encryption key."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12


class SealBroken(Exception):  # noqa: N818 - reads as what happened
    """A sealed KVNR cannot be read: another key, another account, or a changed row."""


class KvnrVault:
    """Keyed hashes (HMAC-SHA256) and seals (AES-256-GCM) of KVNRs."""

    def __init__(self, lookup_key: bytes, encryption_key: bytes) -> None:
        """Takes two different keys of 32 bytes."""
        self._lookup_key = lookup_key
        self._cipher = AESGCM(encryption_key)

    def lookup_hash(self, kvnr: str) -> str:
        """What a KVNR is found by, 64 hexadecimal digits."""
        return hmac.new(self._lookup_key, kvnr.encode(), hashlib.sha256).hexdigest()

    def seal(self, kvnr: str, user_id: str) -> str:
        """The encrypted KVNR as base64; it can be opened for the same account only."""
        nonce = os.urandom(_NONCE_BYTES)
        return base64.b64encode(nonce + self._cipher.encrypt(nonce, kvnr.encode(), user_id.encode())).decode()

    def open(self, sealed: str, user_id: str) -> str:
        """The KVNR of an account.

        Raises:
            SealBroken: if it cannot be read.
        """
        raw = base64.b64decode(sealed)
        try:
            return self._cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], user_id.encode()).decode()
        except InvalidTag:
            raise SealBroken from None
