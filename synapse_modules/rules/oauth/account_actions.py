"""What a client may send a person to the account page for (Matrix "OAuth 2.0 account management", MSC4191)."""

from __future__ import annotations

from enum import Enum


class AccountAction(Enum):
    """By today's names; what older clients say is read too, and everything else shows the list."""

    LIST_DEVICES = "org.matrix.devices_list"
    VIEW_DEVICE = "org.matrix.device_view"
    DELETE_DEVICE = "org.matrix.device_delete"
    RESET_IDENTITY = "org.matrix.cross_signing_reset"


_OLDER = {
    "sessions_list": AccountAction.LIST_DEVICES,
    "session_view": AccountAction.VIEW_DEVICE,
    "session_end": AccountAction.DELETE_DEVICE,
}


def read_action(name: str) -> AccountAction:
    """The action of a link."""
    short = name.removeprefix("org.matrix.")
    if short in _OLDER:
        return _OLDER[short]
    return next((one for one in AccountAction if one.value == f"org.matrix.{short}"), AccountAction.LIST_DEVICES)
