"""Whom a failed attempt is counted against."""

from __future__ import annotations

import pytest

from synapse_modules.rules.senders import failed_proof_key, network_of


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
