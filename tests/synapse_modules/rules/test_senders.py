"""Whom a failed attempt is counted against."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from synapse_modules.rules.senders import failed_proof_key, sender_of

_PROXIES = (ip_network("127.0.0.1"), ip_network("10.0.0.0/8"))


@pytest.mark.parametrize(
    ("address", "sender"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("127.0.0.2", "127.0.0.2"),
        ("127.0.0.1", None),
        ("10.1.2.3", None),
        ("/run/socket", None),
        ("", None),
    ],
)
def test_a_sender_is_whoever_is_no_proxy(address: str, sender: str | None) -> None:
    assert sender_of(address, _PROXIES) == sender


def test_an_account_is_only_counted_together_with_a_sender() -> None:
    account = {"type": "m.id.user", "user": "hek"}
    assert failed_proof_key("192.0.2.1", account) == failed_proof_key("192.0.2.1", {"user": "HEK"})
    assert failed_proof_key("192.0.2.1", account) != failed_proof_key("192.0.2.2", account)
    assert failed_proof_key("192.0.2.1", account) != failed_proof_key("192.0.2.1", {"user": "other"})


@pytest.mark.parametrize("identifier", [None, "hek", [], {}, {"user": ["hek"]}, {"user": "a" * 10_000}])
def test_whatever_is_named_has_a_short_key(identifier: object) -> None:
    assert len(failed_proof_key("192.0.2.1", identifier)) < 300
