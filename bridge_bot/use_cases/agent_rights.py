"""Asks whether somebody may speak for the insurer at this moment: by the settings, and by the homeserver's accounts."""

from __future__ import annotations

from collections.abc import Mapping

from bridge_bot.use_cases.homeserver import Homeserver
from messenger_core.account_kinds import AccountKind


class AgentRights:
    """Who is an agent of which team; ``agents`` is team to its members' user ids."""

    def __init__(self, agents: Mapping[str, frozenset[str]], homeserver: Homeserver) -> None:
        self._agents = agents
        self._homeserver = homeserver

    def is_listed(self, team: str, user_id: str) -> bool:
        """Whether the settings name somebody as an agent of a team."""
        return user_id in self._agents.get(team, frozenset())

    async def may_act(self, team: str, user_id: str) -> bool:
        """Whether somebody is an agent of a team whose account is open.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        if not self.is_listed(team, user_id):
            return False
        found = await self._homeserver.account(user_id)
        return found is not None and found.kind is AccountKind.AGENT and not found.locked
