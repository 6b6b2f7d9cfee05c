"""What the rules need of Synapse's settings: where no module is asked, a setting alone keeps something closed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

_LONGEST_AFTER_DELETION = timedelta(days=7)
_LONGEST_ACCESS_TOKEN = timedelta(hours=1)
_LETTERS_PER_SECOND = 1
_LETTERS_AT_ONCE = 10


@dataclass(frozen=True, slots=True)
class Need:
    """What a setting may be.

    Attributes:
        is_met: whether a value will do.
        allowed: the values that will, in words.
        otherwise: what would be with any other value.
    """

    is_met: Callable[[Any], bool]
    allowed: str
    otherwise: str


def _only(wanted: bool, otherwise: str) -> Need:
    return Need(lambda value: value is wanted, f"it must be {str(wanted).lower()}", otherwise)


NEEDS: Mapping[str, Need] = {
    "allow_device_name_lookup_over_federation": _only(
        False, otherwise="other servers would learn what people call their devices"
    ),
    "auto_join_rooms": Need(
        lambda value: not value, "it must be empty", "everybody would be brought into one room, and nobody may be"
    ),
    "enable_authenticated_media": _only(True, otherwise="files would be given to whoever knows their address"),
    "push.include_content": _only(False, otherwise="push services would learn who writes to whom"),
    "rc_user_directory.burst_count": Need(
        lambda value: value >= _LETTERS_AT_ONCE,
        f"it must be at least {_LETTERS_AT_ONCE}",
        "each letter in the search box is a request",
    ),
    "rc_user_directory.per_second": Need(
        lambda value: value >= _LETTERS_PER_SECOND,
        f"it must be at least {_LETTERS_PER_SECOND}",
        "each letter in the search box is a request",
    ),
    "redaction_retention_period": Need(
        lambda value: value is not None and value <= _LONGEST_AFTER_DELETION,
        f"it must be set and at most {_LONGEST_AFTER_DELETION.days} days",
        "what people delete would be kept",
    ),
    "refreshable_access_token_lifetime": Need(
        lambda value: value is not None and value <= _LONGEST_ACCESS_TOKEN,
        f"it must be set and at most {_LONGEST_ACCESS_TOKEN.seconds // 3600} h",
        "clients of the OAuth API would get tokens that last, or none",
    ),
    "require_auth_for_profile_requests": _only(True, otherwise="names would be told to whoever asks"),
    "retention.enabled": _only(False, otherwise="messages would end by another rule than their owners'"),
    "url_preview_enabled": _only(False, otherwise="the homeserver would look up addresses that people write"),
    "user_directory.enabled": _only(True, otherwise="nobody would find a practice"),
}
"""By the key in Synapse's file. What the module closes itself whatever the setting says is not here."""


def unmet_needs(settings: Mapping[str, Any]) -> list[str]:
    """One line for each setting with which a rule would not hold; empty if there is none.

    Args:
        settings: what the homeserver's configuration says for each key of ``NEEDS``; periods as ``timedelta``.
    """
    return [
        f"{key}: {settings[key]} is not allowed: {need.allowed}, since otherwise {need.otherwise}"
        for key, need in NEEDS.items()
        if not need.is_met(settings[key])
    ]
