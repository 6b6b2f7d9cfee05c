"""Whether it is known who may be reached: the directory and the federation list were heard of lately enough."""

from __future__ import annotations

from collections.abc import Iterable

from messenger_core.account_kinds import AccountKind
from messenger_core.clock import present_ms
from synapse_modules.adapters.parties import Parties
from synapse_modules.rules.reach import Party

_MS_PER_MINUTE = 60_000


class ReachabilityAge:
    """Compares the last word of either with the age that is allowed."""

    def __init__(self, parties: Parties, max_age_minutes: int) -> None:
        self._parties = parties
        self._max_age_ms = max_age_minutes * _MS_PER_MINUTE

    def is_known_for(self, inviter: Party, invitees: Iterable[Party]) -> bool:
        """Whether an invitation can be judged: only insured people depend on the directory, all on who is elsewhere."""
        if not all(self._parties.is_known_where(invitee.user_id) for invitee in invitees):
            return False
        if inviter.kind is not AccountKind.INSURED:
            return True
        return present_ms() - inviter.directory_heard_at <= self._max_age_ms
