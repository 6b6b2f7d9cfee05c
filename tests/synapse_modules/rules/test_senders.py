"""Whom a failed attempt is counted against."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from synapse_modules.rules.senders import client_address, failed_proof_key, network_of


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("/run/socket", "/run/socket"),
        ("", ""),
    ],
)
def test_one_senders_addresses_are_one(address: str, network: str) -> None:
    assert network_of(address) == network


def test_an_account_is_only_counted_together_with_a_sender() -> None:
    account = {"type": "m.id.user", "user": "hek"}
    assert failed_proof_key("192.0.2.1", account) == failed_proof_key("192.0.2.1", {"user": "HEK"})
    assert failed_proof_key("192.0.2.1", account) != failed_proof_key("192.0.2.2", account)
    assert failed_proof_key("192.0.2.1", account) != failed_proof_key("192.0.2.1", {"user": "other"})


@pytest.mark.parametrize("identifier", [None, "hek", [], {}, {"user": ["hek"]}, {"user": "a" * 10_000}])
def test_whatever_is_named_has_a_short_key(identifier: object) -> None:
    assert len(failed_proof_key("192.0.2.1", identifier)) < 300


_PROXIES = (ip_network("127.0.0.1"), ip_network("::1"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("127.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "198.51.100.7, 192.0.2.1, 10.1.2.3", "192.0.2.1"),
        ("127.0.0.1", "10.1.2.3", "10.1.2.3"),
        ("::1", "2001:db8::1", "2001:db8::1"),
        ("", "192.0.2.1", "192.0.2.1"),
        ("127.0.0.1", "unknown", None),
        ("127.0.0.1", "unknown, 10.1.2.3", "10.1.2.3"),
        ("127.0.0.2", "192.0.2.1", None),
        ("192.0.2.9", "198.51.100.7", None),
    ],
)
def test_only_a_trusted_proxy_says_where_a_request_came_from(peer: str, forwarded: str, address: str | None) -> None:
    assert client_address(peer, forwarded, _PROXIES) == address
