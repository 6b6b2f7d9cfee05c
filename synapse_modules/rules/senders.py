"""Whom a failed attempt is counted against: its sender, never the account that it names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from messenger_core.client_address import Network, group_of, is_trusted, read_address


def sender_of(address: str, proxies: Sequence[Network]) -> str | None:
    """Whose connections are counted together; None for a proxy and a socket of this machine: they bring many people."""
    parsed = read_address(address)
    return None if parsed is None or is_trusted(parsed, proxies) else group_of(parsed)


def failed_proof_key(address: str, identifier: object) -> str:
    """What failed proofs are counted by: a sender's address and the account that she names, both together.

    Practice software runs for many practices at one address: one with a wrong key must not keep the others out.
    """
    named = identifier.get("user") if isinstance(identifier, Mapping) else None
    return f"{group_of(read_address(address))} {str(named)[:255].lower()}"
