"""Who administers the homeserver: the accounts of the settings, nobody else by anybody's mistake."""

from __future__ import annotations

from synapse.api.errors import SynapseError

from messenger_core.account_kinds import AccountKind
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.rules.reach import Refusal


class Administrators:
    """The rules that stand in front of Synapse (``synapse_private.administrators.AdministratorRules``)."""

    def __init__(self, parties: Parties, refusals: Refusals) -> None:
        self._parties = parties
        self._refusals = refusals

    async def is_administrator(self, user_id: str) -> bool:
        """Whether the settings name an account as one."""
        return (await self._parties.kinds([user_id])).get(user_id) is AccountKind.ADMIN

    def not_named(self) -> SynapseError:
        """What an administrator is told who makes another account one."""
        return self._refusals.error(Refusal.NOT_AN_ADMINISTRATOR)
