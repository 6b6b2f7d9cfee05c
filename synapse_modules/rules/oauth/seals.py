"""What a browser or a client carries for this house: JSON that nobody else can read or make, for a time."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


class Purpose(Enum):
    """What a key is for; what was sealed for one purpose opens for no other."""

    CLIENT_ID = "client id"
    REQUEST = "authorisation request"
    PROOF = "sign-in of a person"
    CODE = "authorisation code"
    VISIT = "visit of the account page"
    ACCOUNT = "account page"


def key_for(secret: bytes, purpose: Purpose) -> bytes:
    """The 32 bytes for a purpose."""
    return HKDF(SHA256(), 32, None, b"hek sign-in, " + purpose.value.encode()).derive(secret)


class Seal:
    """Fernet with a clock from outside."""

    def __init__(self, secret: bytes, purpose: Purpose, lifetime: timedelta) -> None:
        self._fernet = Fernet(base64.urlsafe_b64encode(key_for(secret, purpose)))
        self._lifetime_s = int(lifetime.total_seconds())

    def close(self, content: Mapping[str, Any], now: datetime) -> str:
        """The content sealed, in letters that addresses and cookies may hold."""
        return self._fernet.encrypt_at_time(json.dumps(content).encode(), int(now.timestamp())).decode().rstrip("=")

    def open(self, sealed: str, now: datetime) -> dict[str, Any] | None:
        """The content; None if it is not of this house, or over."""
        padded = sealed + "=" * (-len(sealed) % 4)
        try:
            opened = self._fernet.decrypt_at_time(padded, self._lifetime_s, int(now.timestamp()))
        except (InvalidToken, ValueError):
            return None
        content: dict[str, Any] = json.loads(opened)
        return content
