"""Which addresses we call for others: what an entity statement names leads to no machine of the inside."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from typing import Any

from messenger_core.client_address import Address, Network, read_address

# IPv4 addresses in the clothes of IPv6 ones: translated (RFC 6052) and tunnelled (RFC 3056).
_TRANSLATED = IPv6Network("64:ff9b::/96")
_TUNNELLED = IPv6Network("2002::/16")

AddressInfo = tuple[Any, Any, int, str, tuple[Any, ...]]


class PrivateAddressError(OSError):
    """A host has an address that is not to be called."""


def _inner(address: Address) -> Address:
    if isinstance(address, IPv6Address):
        if address in _TRANSLATED:
            return IPv4Address(int(address) & 0xFFFF_FFFF)
        if address in _TUNNELLED:
            return IPv4Address(int(address) >> 80 & 0xFFFF_FFFF)
    return address


def is_reachable(address: Address | None, allowed: Sequence[Network]) -> bool:
    """Whether an address may be called: it belongs to the internet, or to a network that the operator allows.

    Loopback, private, link-local (cloud metadata), shared, reserved and multicast addresses do not.
    """
    if address is None:
        return False
    if any(address in network for network in allowed):
        return True
    inner = _inner(address)
    return inner.is_global and not inner.is_multicast


def checking_sockets(allowed: Sequence[Network]) -> Callable[[AddressInfo], socket.socket]:
    """What makes a client's sockets: the address is checked where the connection is made, whatever a name led to.

    So a name that is answered differently a second time (DNS rebinding), and an address that stands in place of a
    name, are checked as well.
    """

    def make(info: AddressInfo) -> socket.socket:
        family, kind, protocol, _, address = info
        if not is_reachable(read_address(str(address[0])), allowed):
            raise PrivateAddressError("the address is private")
        return socket.socket(family=family, type=kind, proto=protocol)

    return make
