"""Routes by which one insured person tries to reach another, each with the same attempt between parties who may."""

from __future__ import annotations

from tests.system.attack_routes import (
    administrators,
    federation,
    invitations,
    joins,
    others_chats,
    people_seen,
    practices,
)
from tests.system.attack_routes.table import TABLE

__all__ = ["TABLE", "administrators", "federation", "invitations", "joins", "others_chats", "people_seen", "practices"]
