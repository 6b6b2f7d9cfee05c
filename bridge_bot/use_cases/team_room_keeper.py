"""Makes each team's room of the present quarter, invites its agents and removes whoever is none any more."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from bridge_bot.rules.quarters import quarter_of
from bridge_bot.store.team_rooms import TeamRooms
from bridge_bot.use_cases.agent_rights import AgentRights
from bridge_bot.use_cases.homeserver import Homeserver
from bridge_bot.use_cases.matrix_account import HOMESERVER_FAULTS, MatrixAccount, reason_of
from messenger_core.account_kinds import AccountKind
from messenger_core.clock import Clock
from messenger_core.matrix import SendFailed

logger = logging.getLogger(__name__)


class TeamRoomKeeper:
    """Rooms of teams; ``agents`` is team to its members' user ids."""

    def __init__(
        self,
        *,
        agents: Mapping[str, frozenset[str]],
        account: MatrixAccount,
        homeserver: Homeserver,
        rights: AgentRights,
        rooms: TeamRooms,
        clock: Clock,
    ) -> None:
        self._agents = agents
        self._account = account
        self._homeserver = homeserver
        self._rights = rights
        self._rooms = rooms
        self._clock = clock
        self._to_invite: set[tuple[str, str]] = set()
        self._kept: set[tuple[str, str]] = set()
        self._to_remove: set[tuple[str, str]] = set()
        self._cleared: set[str] = set()

    async def keep(self) -> None:
        """Makes what is missing; cheap when nothing is. What fails is tried again at the next call."""
        quarter = quarter_of(self._clock())
        for team in self._agents:
            if (team, quarter) not in self._kept:
                try:
                    await self._keep_room(team, quarter)
                except HOMESERVER_FAULTS as fault:
                    logger.warning("the room of team %s is not ready: %s", team, reason_of(fault))
        await self._clear_rooms()
        await self._invite_all()
        await self._remove_all()

    async def agent_made(self, user_id: str) -> None:
        """An agent's account exists now; the agent is invited to the rooms of all their teams."""
        quarter = quarter_of(self._clock())
        for team, agents in self._agents.items():
            room_id = await self._rooms.room_of(team, quarter)
            if user_id in agents and room_id is not None:
                self._to_invite.add((room_id, user_id))
        await self._invite_all()

    async def agent_locked(self, user_id: str) -> None:
        """An agent's account was locked; the agent leaves all team rooms, those of past quarters as well."""
        for _, room_id in await self._rooms.all_rooms():
            self._to_invite.discard((room_id, user_id))
            self._to_remove.add((room_id, user_id))
        await self._remove_all()

    async def _keep_room(self, team: str, quarter: str) -> None:
        room_id = await self._rooms.room_of(team, quarter)
        if room_id is None:
            room_id = await self._account.create_room(f"team-{team}-{quarter}")
            room = await self._account.room(room_id)
            strangers = room.present - {self._account.user_id, *self._agents[team]}
            # Somebody else may have taken the alias: tickets must never go into a stranger's room.
            if room.members.get(self._account.user_id) != "join" or strangers:
                raise SendFailed("the room under the team's alias is not the messenger's own")
            await self._rooms.record(team, quarter, room_id)
        self._to_invite |= {(room_id, agent) for agent in self._agents[team]}
        self._kept.add((team, quarter))

    async def _clear_rooms(self) -> None:
        """Looks once, after each start, for members of old and new rooms whom the settings or a lock took out."""
        for team, room_id in await self._rooms.all_rooms():
            if room_id in self._cleared:
                continue
            try:
                present = (await self._account.room(room_id)).present
                for user_id in sorted(present - {self._account.user_id}):
                    if not await self._rights.may_act(team, user_id):
                        self._to_remove.add((room_id, user_id))
            except HOMESERVER_FAULTS as fault:
                logger.warning("the members of a room of team %s are not known yet: %s", team, reason_of(fault))
                continue
            self._cleared.add(room_id)

    async def _remove_all(self) -> None:
        for room_id, user_id in sorted(self._to_remove):
            try:
                await self._account.remove(room_id, user_id)
            except HOMESERVER_FAULTS as fault:
                logger.warning("somebody is not removed from a team's room yet: %s", reason_of(fault))
                continue
            self._to_remove.discard((room_id, user_id))

    async def _invite_all(self) -> None:
        for room_id, agent in sorted(self._to_invite):
            try:
                found = await self._homeserver.account(agent)
                # An agent without an account is invited as soon as it is made.
                if found is not None and found.kind is AccountKind.AGENT and not found.locked:
                    await self._account.invite(room_id, agent)
            except HOMESERVER_FAULTS as fault:
                logger.warning("an agent is not invited yet: %s", reason_of(fault))
                continue
            self._to_invite.discard((room_id, agent))
