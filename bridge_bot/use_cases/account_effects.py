"""What a change of an account means here: agents come and go, and people's memberships end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge_bot.store.tickets import Tickets
from bridge_bot.use_cases.team_room_keeper import TeamRoomKeeper
from messenger_core.account_changes import AccountChange, AccountEvent
from messenger_core.account_kinds import AccountKind
from messenger_core.clock import Clock

_GONE = frozenset({AccountEvent.LOCKED, AccountEvent.DEACTIVATED})


class AccountEffects:
    """Applies the homeserver's changes of accounts."""

    def __init__(
        self,
        *,
        tickets: Tickets,
        team_rooms: TeamRoomKeeper,
        desk: asyncio.Lock,
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._tickets = tickets
        self._team_rooms = team_rooms
        self._desk = desk
        self._wake = wake
        self._clock = clock

    async def apply(self, change: AccountChange) -> None:
        """Lets agents into their teams' rooms or out of them, and ends the tickets of who is no longer insured."""
        if change.what == AccountEvent.MADE and change.kind == AccountKind.AGENT:
            await self._team_rooms.agent_made(change.user_id)
        elif change.what in _GONE and change.kind == AccountKind.AGENT:
            await self._team_rooms.agent_locked(change.user_id)
        elif change.what in _GONE and change.kind == AccountKind.INSURED:
            async with self._desk:
                await self._tickets.membership_ended(change.user_id, self._clock())
            self._wake()
