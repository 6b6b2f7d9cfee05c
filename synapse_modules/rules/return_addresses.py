"""Where a sign-in may lead back to: a page of the web or an app, never something that a browser runs itself."""

from __future__ import annotations

import re
import unicodedata

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_WEB = frozenset({"http", "https"})
# What a browser runs or reads itself, on the page where it is clicked or on the person's own machine.
_NEVER = frozenset(
    {"about", "blob", "data", "file", "filesystem", "javascript", "livescript", "mhtml", "vbscript", "view-source"}
)
_MAX_LENGTH = 4096


def is_return_address(address: str) -> bool:
    """Whether a client may be returned to at an address.

    An app's own scheme names it with a dot (``im.fluffychat:/login``, RFC 8252, 7.1) or is followed by ``//``
    (``element://connect``). Browsers leave out blanks and control characters, so an address with one is none, and what
    stands before ``@`` would be read as the host.
    """
    scheme = _SCHEME.match(address)
    if scheme is None or len(address) > _MAX_LENGTH or any(_is_left_out(letter) for letter in address):
        return False
    name, rest = scheme[1].lower(), address[scheme.end() :]
    if name in _NEVER:
        return False
    authority = re.split(r"[/?#]", rest[2:], maxsplit=1)[0] if rest.startswith("//") else ""
    if "@" in authority or "\\" in address:
        return False
    if name in _WEB:
        return bool(authority)
    return rest.startswith("//") or "." in name


def _is_left_out(letter: str) -> bool:
    return unicodedata.category(letter)[0] in "CZ"
