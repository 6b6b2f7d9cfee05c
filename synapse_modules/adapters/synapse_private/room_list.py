"""Synapse's list of public rooms: asking for it is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.api.errors import SynapseError
from synapse.handlers.room_list import RoomListHandler
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

_LISTS = ("get_local_public_room_list", "get_remote_public_room_list")
FEATURES = tuple(Feature(RoomListHandler, name) for name in _LISTS)


class PrivateRoomList:
    """What no setting does: Synapse answers with an empty list, gematik's network wants 403 (A_28587, A_28590)."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def close(self, refused: Callable[[], SynapseError]) -> None:
        """Refuses the list to everybody, of this server and of others."""

        async def refuse(_call: Call) -> Any:
            raise refused()

        for name in _LISTS:
            put_in_front(self._hs.get_room_list_handler(), name, refuse)
