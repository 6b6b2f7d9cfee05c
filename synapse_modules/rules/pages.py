"""What a browser may do with the homeserver's own pages: read them and send their forms; nothing is loaded or run."""

from __future__ import annotations

import base64
import hashlib
import re

# No "form-action": browsers hold redirects against it too, and the form of a first sign-in leads back to any client.
_POLICY = (
    "default-src 'none'; script-src {scripts}; style-src 'unsafe-inline'; img-src 'self' data:; "
    "base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
# Matrix wants the page after a confirmation to tell the client that waits for it ("User-interactive API", fallback).
_CONFIRMED = re.compile(rb"<script>(\s*if \(window\.onAuthDone\)[^<]*)</script>")
_CONFIRMED_SCRIPT = """
    if (window.onAuthDone) { window.onAuthDone(); }
    else if (window.opener && window.opener.postMessage) { window.opener.postMessage("authDone", "*"); }
  """
WITHOUT_SCRIPTS = _POLICY.format(scripts="'none'").encode()


def policy_of(page: bytes) -> bytes:
    """The ``Content-Security-Policy`` of a page: no script but, on the page after a confirmation, its one line."""
    script = _CONFIRMED.search(page)
    if script is None or script[1].decode("utf-8", errors="replace") != _CONFIRMED_SCRIPT:
        return WITHOUT_SCRIPTS
    digest = base64.b64encode(hashlib.sha256(script[1]).digest()).decode()
    return _POLICY.format(scripts=f"'sha256-{digest}'").encode()
