"""Whom a failed attempt is counted against: the address that it came from, never the account that it names."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address, ip_network

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
