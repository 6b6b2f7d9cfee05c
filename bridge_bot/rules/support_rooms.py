"""Rule: which room of an insured person is fit to talk to her insurer in."""

from __future__ import annotations

from collections.abc import Mapping

_POWER_NEEDED = 50


def is_fit(*, encrypted: bool, power: int, members: Mapping[str, str], person: str, account: str) -> bool:
    """Whether the support account stays in a room that the person made.

    Args:
        encrypted: whether the room is encrypted.
        power: the account's power in it.
        members: user id to membership.
        person: the insured person.
        account: the support account.

    Returns:
        True if the room is encrypted, nobody else is in it or invited, and the account has a moderator's power.
    """
    if {user for user, membership in members.items() if membership in {"join", "invite"}} - {person, account}:
        return False
    return encrypted and power >= _POWER_NEEDED
