"""Who sends a request, and whom a failed attempt is counted against: its sender, never the account that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

Network = IPv4Network | IPv6Network

_HOUSEHOLD_BITS = 64
"""One household or server has at least so many addresses of IPv6 (RFC 6177)."""


def network_of(address: str) -> str:
    """What one sender's addresses have in common: the address itself, for IPv6 its first 64 bits."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, _HOUSEHOLD_BITS), strict=False))
    return str(parsed)


def failed_proof_key(address: str, identifier: object) -> str:
    """What failed proofs are counted by: a sender's address and the account that she names, both together.

    Practice software runs for many practices at one address: one with a wrong key must not keep the others out.
    """
    named = identifier.get("user") if isinstance(identifier, Mapping) else None
    return f"{network_of(address)} {str(named)[:255].lower()}"


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str | None:
    """The address that a request came from, as the proxies that are trusted pass it on; None if it is the peer's own.

    Args:
        peer: the address at the other end of the connection.
        forwarded: ``X-Forwarded-For``, each proxy's addition behind that of the one before it.
        trusted: the networks of the proxies; whatever others say is not believed.
    """
    if not is_in(peer, trusted):
        return None
    found = None
    for named in reversed(forwarded.split(",")):
        address = named.strip()
        try:
            ip_address(address)
        except ValueError:
            break
        found = address
        if not is_in(address, trusted):
            break
    return found


def is_in(address: str, networks: Sequence[Network]) -> bool:
    """Whether an address is a proxy's, from which many people come."""
    try:
        parsed = ip_address(address)
    except ValueError:
        # A socket of this machine's file system, which has no addresses.
        return True
    return any(parsed in network for network in networks)
