"""The cookie by which a sign-in stays in the browser that began it; who brings none of ours has cost us nothing yet."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re

_COOKIE = re.compile(r"([A-Za-z0-9_-]{43})\.([A-Za-z0-9_-]{43})")


def _proof(secret: bytes, browser: str) -> str:
    digest = hmac.new(secret, b"browser\0" + browser.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def cookie_of(secret: bytes, browser: str) -> str:
    """The cookie of a browser.

    Args:
        secret: the broker's; the same in all its processes.
        browser: a random name of 43 letters.
    """
    return f"{browser}.{_proof(secret, browser)}"


def browser_of(secret: bytes, cookie: str) -> str | None:
    """The browser that a cookie names; None if we never gave it."""
    found = _COOKIE.fullmatch(cookie)
    if found is None or not hmac.compare_digest(found.group(2), _proof(secret, found.group(1))):
        return None
    return found.group(1)
