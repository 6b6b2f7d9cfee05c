"""Rule: which room of an insured person is fit to talk to her insurer in."""

from __future__ import annotations

_POWER_NEEDED = 50


def is_fit(*, encrypted: bool, power: int, present: frozenset[str], person: str, account: str) -> bool:
    """Whether the support account stays in a room that the person made.

    Args:
        encrypted: whether the room is encrypted.
        power: the account's power in it.
        present: who has joined or is invited.
        person: the insured person.
        account: the support account.

    Returns:
        True if the room is encrypted, nobody else is in it or invited, and the account has a moderator's power.
    """
    return encrypted and power >= _POWER_NEEDED and present <= {person, account}
