"""Whose request it is: the address behind the proxies that are trusted, and the group that it is counted in."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

LOOPBACK: tuple[Network, ...] = (ip_network("127.0.0.1/32"), ip_network("::1/128"))
"""A proxy on the same machine."""
_PREFIX_OF_ONE_LINE = 64
"""Whoever has one IPv6 address has all 2**64 of its network (RFC 6177)."""
_MOST_FORWARDED = 20


def read_address(text: str) -> Address | None:
    """An address as sockets and proxies write it; None if it is none.

    An IPv4 address inside an IPv6 one, as a socket for both says it, is the IPv4 address.
    """
    try:
        address = ip_address(text.strip().partition("%")[0].removeprefix("[").removesuffix("]"))
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def is_trusted(address: Address | None, trusted: Sequence[Network]) -> bool:
    """Whether an address is one of the trusted proxies."""
    return address is not None and any(address in network for network in trusted)


def client_address(peer: str | None, forwarded: str, trusted: Sequence[Network]) -> Address | None:
    """The address that a request comes from.

    Args:
        peer: the other end of the connection.
        forwarded: ``X-Forwarded-For``; each proxy has added whom it saw to its end.
        trusted: the proxies whose word counts. What anybody else wrote there is ignored.

    Returns:
        The last address that no trusted proxy has; None if nothing says it (a socket in the file system).
    """
    address = read_address(peer or "")
    for said in reversed(forwarded.split(",")[-_MOST_FORWARDED:] if forwarded else []):
        if not is_trusted(address, trusted):
            break
        before = read_address(said)
        if before is None:
            break
        address = before
    return address


def group_of(address: Address | None) -> str:
    """What an address is counted as: itself, or its network of 2**64 addresses for IPv6."""
    if address is None:
        return "unknown"
    if isinstance(address, IPv6Address):
        return str(ip_network((int(address) >> _PREFIX_OF_ONE_LINE << _PREFIX_OF_ONE_LINE, _PREFIX_OF_ONE_LINE)))
    return str(address)
