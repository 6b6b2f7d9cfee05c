"""Decides on invitations: only insured people, only rooms that are fit; for the others it opens a room of its own."""

from __future__ import annotations

import logging
import secrets
from datetime import timedelta

from bridge_bot.rules.support_rooms import is_fit
from bridge_bot.store.support_rooms import RoomState, SupportRoom, SupportRooms
from bridge_bot.use_cases.homeserver import Homeserver
from bridge_bot.use_cases.matrix_account import HOMESERVER_FAULTS, MatrixAccount, reason_of
from messenger_core.account_kinds import AccountKind
from messenger_core.clock import Clock

logger = logging.getLogger(__name__)

_GIVE_UP_AFTER = timedelta(days=1)


class Doorkeeper:
    """Brings each invitation to its end, over outages and restarts."""

    def __init__(self, *, account: MatrixAccount, homeserver: Homeserver, rooms: SupportRooms, clock: Clock) -> None:
        self._account = account
        self._homeserver = homeserver
        self._rooms = rooms
        self._clock = clock

    async def decide_all(self) -> None:
        """Goes on with every invitation that is not decided; one that cannot be decided now waits."""
        for room in await self._rooms.undecided():
            try:
                await self._decide(room)
            except HOMESERVER_FAULTS as fault:
                logger.warning("an invitation is not decided yet: %s", reason_of(fault))
                if self._clock() - room.since > _GIVE_UP_AFTER:
                    await self._rooms.ended(room.room_id, RoomState.DECLINED)

    async def _decide(self, room: SupportRoom) -> None:
        if room.state is RoomState.INVITED:
            inviter = await self._homeserver.account(room.user_id)
            if inviter is None or inviter.kind is not AccountKind.INSURED or inviter.locked:
                await self._account.leave(room.room_id)
                await self._rooms.ended(room.room_id, RoomState.DECLINED)
                return
            await self._account.join(room.room_id)
            if await self._is_fit(room):
                await self._rooms.joined(room, self._clock())
                return
        await self._replace(room)

    async def _is_fit(self, room: SupportRoom) -> bool:
        account = self._account.user_id
        found = await self._account.room(room.room_id)
        return is_fit(
            encrypted=found.encrypted,
            power=found.power_of(account),
            present=found.present,
            person=room.user_id,
            account=account,
        )

    async def _replace(self, room: SupportRoom) -> None:
        alias = room.replacement_alias
        if alias is None:
            alias = f"hek-{secrets.token_hex(12)}"
            await self._rooms.replacing(room.room_id, alias)
        own_room = await self._account.create_room(alias, invite=[room.user_id])
        await self._rooms.replaced(room, own_room, self._clock())
        await self._account.leave(room.room_id)
        await self._rooms.ended(room.room_id, RoomState.LEFT)
