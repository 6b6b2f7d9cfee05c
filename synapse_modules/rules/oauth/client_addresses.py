"""Addresses of clients: which belong to a client, and which of them an answer may be sent to."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address

from publicsuffixlist import PublicSuffixList

_LONGEST = 512
# Letters, digits and what RFC 3986 knows beside them; no backslash, which browsers read as a slash.
_VISIBLE = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+")
_WEB = re.compile(r"https://(?P<host>[^/?#:]+)(?::(?P<port>[0-9]{1,5}))?(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?")
_LOOPBACK = re.compile(
    r"http://(?P<host>localhost|127\.0\.0\.1|\[::1\])(?::(?P<port>[0-9]{1,5}))?(?P<rest>(?:/[^?#]*)?(?:\?[^#]*)?)"
)
_PRIVATE = re.compile(r"(?P<scheme>[a-z][a-z0-9+\-]*(?:\.[a-z0-9+\-]+)+):(?P<rest>[^#]*)")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_HIGHEST_PORT = 65_535


@cache
def _suffixes() -> PublicSuffixList:
    return PublicSuffixList()


def is_host(name: str) -> bool:
    """Whether a name can be a client's own host: in small letters, with a dot, no address, and not for everybody."""
    labels = name.split(".")
    if len(labels) < 2 or len(name) > 253 or not all(map(_LABEL.fullmatch, labels)) or labels[-1].isdigit():
        return False
    return labels[-1] != "localhost" and not _is_address(name) and not _suffixes().is_public(name)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class WebAddress:
    """An https address without user information and fragment."""

    host: str
    has_query: bool


def read_web_address(address: str) -> WebAddress | None:
    """An address of the web that a client may name; None if it is none."""
    found = _WEB.fullmatch(address)
    if found is None or not _is_plain(address) or not is_host(found["host"]) or not _is_port(found["port"]):
        return None
    return WebAddress(found["host"], has_query=found["query"] is not None)


def is_at_or_below(host: str, other: str) -> bool:
    """Whether a host is another one or below it, by labels."""
    return host == other or host.endswith(f".{other}")


def is_app_address(address: str, client_host: str) -> bool:
    """Whether an address is of a private scheme that begins with the client's host backwards (RFC 8252, 7.1)."""
    found = _PRIVATE.fullmatch(address)
    if found is None or not _is_plain(address) or found["rest"].startswith("//"):
        return False
    wanted, labels = client_host.split(".")[::-1], found["scheme"].split(".")
    return labels[: len(wanted)] == wanted


def without_port(address: str) -> str | None:
    """A loopback address without its port, which programs choose when they start (RFC 8252, 7.3); None for others."""
    found = _LOOPBACK.fullmatch(address)
    if found is None or not _is_plain(address) or not _is_port(found["port"]):
        return None
    return f"http://{found['host']}{found['rest']}"


def _is_port(port: str | None) -> bool:
    return port is None or 0 < int(port) <= _HIGHEST_PORT


def _is_plain(address: str) -> bool:
    if len(address) > _LONGEST or not _VISIBLE.fullmatch(address) or "@" in address.split("?", maxsplit=1)[0]:
        return False
    steps = address.split("?", maxsplit=1)[0].lower().replace("%2e", ".").split("/")
    return not {".", ".."} & set(steps)
