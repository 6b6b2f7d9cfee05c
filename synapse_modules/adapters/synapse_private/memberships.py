"""Synapse's memberships: what is put in front of every change, and forgetting rooms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from synapse.handlers.room_member import RoomMemberHandler
from synapse.server import HomeServer
from synapse.types import UserID

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(RoomMemberHandler, "forget", ("user", "room_id")),
    Feature(RoomMemberHandler, "update_membership", ("requester", "target", "room_id", "action", "content")),
)


class PrivateMemberships:
    """What the public module API cannot do with memberships."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def forget(self, user_id: str, room_id: str) -> None:
        """Forgets a room that the user has left."""
        await self._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)

    def keep_words_out(self, keep: Callable[[Mapping[str, Any]], dict[str, Any]]) -> None:
        """Puts a filter in front of every membership change; no callback sees the reason of an invitation.

        Args:
            keep: what of the content that a client sent is kept.
        """

        async def wordless(call: Call) -> Any:
            return await call.go_on(content=keep(call.arguments["content"] or {}))

        put_in_front(self._hs.get_room_member_handler(), "update_membership", wordless)
