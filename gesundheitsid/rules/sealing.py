"""What may stand in the database of secrets and people: hashes, and texts that only the holder of a code can open."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_NONCE_BYTES = 12


def hashed(secret: str) -> str:
    """The form in which a random secret (code, token, cookie) is stored; it has 256 bits, so it needs no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def _key(code: str) -> bytes:
    # Another hash than the stored one, so that what is stored opens nothing.
    return hashlib.sha256(b"seal\0" + code.encode()).digest()


def seal(claims: Mapping[str, Any], code: str) -> bytes:
    """Encrypts claims (AES-256-GCM) with a key that follows from the code."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(_key(code)).encrypt(nonce, json.dumps(claims).encode(), None)


def unseal(sealed: bytes, code: str) -> dict[str, Any]:
    """What was sealed.

    Raises:
        ValueError: if it was not sealed with this code.
    """
    try:
        content = json.loads(AESGCM(_key(code)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], None))
    except InvalidTag:
        raise ValueError("sealed with another code") from None
    assert isinstance(content, dict)
    return content
