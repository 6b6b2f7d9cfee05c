"""Who administers the homeserver: the accounts of the settings, nobody else by anybody's mistake."""

from __future__ import annotations

from typing import Any

from messenger_core.account_kinds import AccountKind
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.reach import Refusal


class AdministratorGate:
    """Refuses to make others administrators, and gives no rights to those whom Synapse's table calls so."""

    def __init__(self, parties: Parties, refusals: Refusals) -> None:
        self._parties = parties
        self._refusals = refusals

    async def make_administrator(self, call: Call) -> None:
        """An account is made an administrator, or is one no longer.

        Raises:
            SynapseError: if the settings do not name it as one.
        """
        if call.arguments["admin"] and not await self._is_named(call.arguments["user"].to_string()):
            raise self._refusals.error(Refusal.NOT_AN_ADMINISTRATOR)
        await call.go_on()

    async def is_administrator(self, call: Call) -> Any:
        """Whether somebody acts as an administrator."""
        return await self._is_named(call.arguments["requester"].user.to_string()) and await call.go_on()

    async def _is_named(self, user_id: str) -> bool:
        return (await self._parties.kinds([user_id])).get(user_id) is AccountKind.ADMIN
