"""Routes each event of the Matrix session to the side that it comes from."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from bridge_bot.store.support_rooms import SupportRooms
from bridge_bot.store.team_rooms import TeamRooms
from bridge_bot.use_cases.agent_side import AgentSide
from bridge_bot.use_cases.person_side import PersonSide
from messenger_core.clock import Clock
from messenger_core.matrix import Invitation, ReceivedEvent, ToSend


class Inbound:
    """The session's event handler: writes to the database alone, then wakes those who send.

    ``desk`` is held while a conversation is read, decided on and written, so that nothing comes in between.
    """

    def __init__(
        self,
        *,
        persons: PersonSide,
        agents: AgentSide,
        support_rooms: SupportRooms,
        team_rooms: TeamRooms,
        desk: asyncio.Lock,
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._persons = persons
        self._agents = agents
        self._support_rooms = support_rooms
        self._team_rooms = team_rooms
        self._desk = desk
        self._wake = wake
        self._clock = clock

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        """Handles one event of a room; answers leave through the messenger's own outbox."""
        async with self._desk:
            support_room = await self._support_rooms.find(event.room_id)
            if support_room is not None:
                await self._persons.handle(support_room, event)
            else:
                team = await self._team_rooms.team_of(event.room_id)
                if team is not None:
                    await self._agents.handle(team, event)
        self._wake()
        return ()

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Notes an invitation; it is decided on apart from the stream of events, and tried again until it is."""
        await self._support_rooms.invited(invitation.room_id, invitation.inviter, self._clock())
        self._wake()
