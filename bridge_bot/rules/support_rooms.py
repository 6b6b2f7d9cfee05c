"""Rule: which room of an insured person is fit to talk to her insurer in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_POWER_NEEDED = 50


def is_fit(
    *,
    encryption: Mapping[str, Any] | None,
    power_levels: Mapping[str, Any] | None,
    members: Mapping[str, str],
    person: str,
    account: str,
) -> bool:
    """Whether the support account stays in a room that the person made.

    Args:
        encryption: the content of ``m.room.encryption``.
        power_levels: the content of ``m.room.power_levels``.
        members: user id to membership.
        person: the insured person.
        account: the support account.

    Returns:
        True if the room is encrypted, nobody else is in it or invited, and the account has the power to delete.
    """
    if not encryption or not encryption.get("algorithm"):
        return False
    if {user for user, membership in members.items() if membership in {"join", "invite"}} - {person, account}:
        return False
    levels = power_levels or {}
    users = levels.get("users")
    default = levels.get("users_default", 0)
    power = users.get(account, default) if isinstance(users, dict) else default
    return isinstance(power, int) and power >= _POWER_NEEDED
