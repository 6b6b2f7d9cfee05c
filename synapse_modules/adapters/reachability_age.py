"""Whether it is known who may be reached: the directory was heard lately enough."""

from __future__ import annotations

from messenger_core.account_kinds import AccountKind
from synapse_modules.adapters.present import now_ms
from synapse_modules.rules.reach import Party
from synapse_modules.store.reachability import Reachability

_MS_PER_MINUTE = 60_000


class ReachabilityAge:
    """Compares the directory's last word with the age that is allowed."""

    def __init__(self, reachability: Reachability, max_age_minutes: int) -> None:
        self._reachability = reachability
        self._max_age_ms = max_age_minutes * _MS_PER_MINUTE

    async def is_known_for(self, inviter: Party) -> bool:
        """Whether an invitation by somebody can be judged; only insured people depend on the directory."""
        if inviter.kind is not AccountKind.INSURED:
            return True
        return now_ms() - await self._reachability.confirmed_at() <= self._max_age_ms
