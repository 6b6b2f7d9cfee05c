"""Follows the homeserver's changes of accounts: agents that come, insured people whose membership ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge_bot.adapters.homeserver import Change, Homeserver
from bridge_bot.store.change_position import ChangePosition
from bridge_bot.store.tickets import Tickets
from bridge_bot.use_cases.arrival import Clock
from bridge_bot.use_cases.team_room_keeper import TeamRoomKeeper
from messenger_core.account_changes import AccountFollower
from messenger_core.account_kinds import AccountKind

_GONE = frozenset({"locked", "deactivated"})


class AccountChanges(AccountFollower[Change]):
    """What becomes of each change here."""

    def __init__(
        self,
        *,
        homeserver: Homeserver,
        position: ChangePosition,
        tickets: Tickets,
        team_rooms: TeamRoomKeeper,
        desk: asyncio.Lock,
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        super().__init__(homeserver, position)
        self._tickets = tickets
        self._team_rooms = team_rooms
        self._desk = desk
        self._wake = wake
        self._clock = clock

    async def apply(self, change: Change) -> None:
        """Lets agents into their teams' rooms or out of them, and ends the tickets of who is no longer insured."""
        if change.what == "account-made" and change.kind == AccountKind.AGENT:
            await self._team_rooms.agent_made(change.user_id)
        elif change.what in _GONE and change.kind == AccountKind.AGENT:
            await self._team_rooms.agent_locked(change.user_id)
        elif change.what in _GONE and change.kind == AccountKind.INSURED:
            async with self._desk:
                await self._tickets.membership_ended(change.user_id, self._clock())
            self._wake()
