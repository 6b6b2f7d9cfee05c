"""When a chat in which insured people alone are left is emptied (gemSpec_TI-M_FD_ePA, A_26348)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.reach import Party


def is_left_to_insured_people(members: Mapping[str, str], parties: Mapping[str, Party]) -> bool:
    """Whether nobody but insured people is in a chat, and nobody is invited who could still come.

    Somebody locked is waited for: after an undo she finds everything as it was. Somebody of whom nothing is known, such
    as a member of a server that is no longer listed, may be a practice.

    Args:
        members: ``join`` or ``invite`` by user id, of this server and of others.
        parties: what is known of them.
    """
    return set(members.values()) == {"join"} and all(parties[one].may_act(AccountKind.INSURED) for one in members)


def is_to_be_emptied(told_at: datetime, now: datetime, grace: timedelta) -> bool:
    """Whether the time is over that people have to export such a chat since they were told."""
    return now - told_at >= grace
