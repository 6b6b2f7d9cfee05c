"""Codes with which a practice signs in to its page: shown in its messenger, typed in its browser, good once.

Ten letters of twenty that cannot be confused and form no words (RFC 8628, 6.1): 43 bits, so that guessing is hopeless
however often somebody tries.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from datetime import timedelta

LIFETIME = timedelta(minutes=10)
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_LENGTH = 10
_NOT_LETTERS = re.compile(r"[^A-Z]")


def new_code() -> str:
    """A code as it is shown: ``KWTFB-XRDHM``."""
    letters = "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))
    return f"{letters[:5]}-{letters[5:]}"


def digest(code: str) -> str:
    """What is stored of a code, and what a typed one is compared by; case, spaces and dashes do not matter."""
    return hashlib.sha256(_NOT_LETTERS.sub("", code.upper()).encode()).hexdigest()
