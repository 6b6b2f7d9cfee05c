"""The kinds of account and of room that every component speaks of."""

from __future__ import annotations

from enum import StrEnum


class AccountKind(StrEnum):
    """What an account of the homeserver is; an account without a kind has no rights."""

    INSURED = "insured"
    PRACTICE = "practice"
    AGENT = "agent"
    SERVICE = "service"
    ADMIN = "admin"


class RoomKind(StrEnum):
    """What a room is for, fixed when it is made.

    ``REQUEST`` is a care room whose practice has not joined yet; it becomes ``CARE`` and never goes back.
    """

    REQUEST = "request"
    CARE = "care"
    SUPPORT = "support"
    TEAM = "team"
    SERVICE = "service"
