"""Routes by which one insured person tries to reach another, each with the same attempt between parties who may."""

from __future__ import annotations

from tests.system.attack_routes import (
    addresses,
    administrators,
    answers_from_elsewhere,
    delayed,
    existence,
    federation,
    invitations,
    joins,
    moments,
    notices,
    others_chats,
    people_seen,
    practices,
    rooms_before,
    rooms_elsewhere,
)
from tests.system.attack_routes.table import TABLE

__all__ = [
    "TABLE",
    "addresses",
    "administrators",
    "answers_from_elsewhere",
    "delayed",
    "existence",
    "federation",
    "invitations",
    "joins",
    "moments",
    "notices",
    "others_chats",
    "people_seen",
    "practices",
    "rooms_before",
    "rooms_elsewhere",
]
