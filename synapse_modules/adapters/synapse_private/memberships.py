"""Synapse's memberships: forgetting a room that was left."""

from __future__ import annotations

from synapse.handlers.room_member import RoomMemberHandler
from synapse.server import HomeServer
from synapse.types import UserID

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(RoomMemberHandler, "forget", ("user", "room_id")),)


class PrivateMemberships:
    """What the public module API cannot do with memberships."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def forget(self, user_id: str, room_id: str) -> None:
        """Forgets a room that the user has left."""
        await self._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)
