"""Rule: which room of an insured person is fit to talk to her insurer in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_POWER_NEEDED = 50
# From room version 12 on, creators have all power and stand in the creation event alone (MSC4289).
_WITHOUT_CREATOR_POWER = frozenset(str(version) for version in range(1, 12))


def is_fit(
    *,
    creation: Mapping[str, Any] | None,
    encryption: Mapping[str, Any] | None,
    power_levels: Mapping[str, Any] | None,
    members: Mapping[str, str],
    person: str,
    account: str,
) -> bool:
    """Whether the support account stays in a room that the person made.

    Args:
        creation: the content of ``m.room.create``.
        encryption: the content of ``m.room.encryption``.
        power_levels: the content of ``m.room.power_levels``.
        members: user id to membership.
        person: the insured person.
        account: the support account.

    Returns:
        True if the room is encrypted, nobody else is in it or invited, and the account has a moderator's power.
    """
    if not encryption or not encryption.get("algorithm"):
        return False
    if {user for user, membership in members.items() if membership in {"join", "invite"}} - {person, account}:
        return False
    return _power(account, creation or {}, power_levels or {}) >= _POWER_NEEDED


def _power(account: str, creation: Mapping[str, Any], levels: Mapping[str, Any]) -> int:
    creators = creation.get("additional_creators")
    version = str(creation.get("room_version", "1"))
    if version not in _WITHOUT_CREATOR_POWER and isinstance(creators, list) and account in creators:
        return _POWER_NEEDED
    users = levels.get("users")
    default = levels.get("users_default", 0)
    power = users.get(account, default) if isinstance(users, dict) else default
    return power if isinstance(power, int) else 0
