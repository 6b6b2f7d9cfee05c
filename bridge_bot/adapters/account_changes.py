"""Follows the homeserver's changes of accounts: agents that come, insured people whose membership ends."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from bridge_bot.adapters.clock import Clock
from bridge_bot.adapters.homeserver import Change, Homeserver
from bridge_bot.adapters.team_room_keeper import TeamRoomKeeper
from bridge_bot.store.change_position import ChangePosition
from bridge_bot.store.tickets import Tickets
from messenger_core.account_kinds import AccountKind
from messenger_core.service_auth.client import CallFailed

logger = logging.getLogger(__name__)

_WAIT_S = 25
_PAUSE_S = 5.0
_GONE = frozenset({"locked", "deactivated"})


class AccountChanges:
    """Applies the changes one after the other; the position moves only when all were applied."""

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
        self._homeserver = homeserver
        self._position = position
        self._tickets = tickets
        self._team_rooms = team_rooms
        self._desk = desk
        self._wake = wake
        self._clock = clock

    async def run(self) -> None:
        """Follows until it is cancelled; an outage of the homeserver is waited out."""
        while True:
            try:
                await self.follow_once(_WAIT_S)
            except CallFailed as fault:
                logger.warning("the changes of accounts cannot be followed: %s", fault)
                await asyncio.sleep(_PAUSE_S)

    async def follow_once(self, wait_s: int) -> None:
        """Asks once and applies what came.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        since = await self._position.read()
        changes, position = await self._homeserver.changes(since, wait_s)
        for change in changes:
            await self._apply(change)
        if position != since:
            await self._position.move_to(position)

    async def _apply(self, change: Change) -> None:
        if change.what == "account-made" and change.kind == AccountKind.AGENT:
            await self._team_rooms.agent_made(change.user_id)
        elif change.what in _GONE and change.kind == AccountKind.AGENT:
            await self._team_rooms.agent_locked(change.user_id)
        elif change.what in _GONE and change.kind == AccountKind.INSURED:
            async with self._desk:
                await self._tickets.membership_ended(change.user_id, self._clock())
            self._wake()
