"""Whose request it is: only trusted proxies are believed."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from messenger_core.client_address import LOOPBACK, client_address, group_of, read_address

_TRUSTED = (*LOOPBACK, ip_network("10.0.0.0/24"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("203.0.113.7", "", "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7, 10.0.0.9", "203.0.113.7"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("::ffff:127.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "203.0.113.7, nonsense", "127.0.0.1"),
        ("127.0.0.1", "[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_the_last_address_that_no_trusted_proxy_has_counts(peer: str, forwarded: str, address: str) -> None:
    assert str(client_address(peer, forwarded, _TRUSTED)) == address


def test_a_long_chain_is_read_from_its_end_alone() -> None:
    assert str(client_address("127.0.0.1", "10.0.0.1," * 100_000 + "10.0.0.2", _TRUSTED)) == "10.0.0.1"


def test_without_an_address_there_is_none() -> None:
    assert client_address(None, "203.0.113.7", _TRUSTED) is None
    assert group_of(None) == "unknown"


def test_an_ipv6_network_of_64_bits_counts_as_one() -> None:
    groups = {group_of(read_address(address)) for address in ("2001:db8::1", "2001:db8::ffff:ffff:ffff:ffff")}
    assert groups == {"2001:db8::/64"}
    assert group_of(read_address("2001:db8:0:1::1")) == "2001:db8:0:1::/64"
    assert group_of(read_address("203.0.113.7")) != group_of(read_address("203.0.113.8"))
