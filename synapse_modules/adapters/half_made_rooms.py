"""Takes people out of rooms whose making ended with the process that made them, before anybody was invited."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from messenger_core.clock import present_ms
from synapse_modules.adapters.rounds import for_each
from synapse_modules.adapters.synapse_private.memberships import PrivateMemberships
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_in_making import RoomInMaking, RoomsInMaking

# Longer than any invitation takes: another server is asked four times, each for a minute at most.
_GRACE_MS = 600_000


class HalfMadeRooms:
    """Runs on the main process; every step can be interrupted and is found again.

    Whoever asked for such a room got no answer, so that nobody waits for it; it has no other side and may lack its
    encryption.
    """

    def __init__(self, api: ModuleApi, making: RoomsInMaking, rooms: Rooms, synapse: PrivateMemberships) -> None:
        self._api = api
        self._making = making
        self._rooms = rooms
        self._synapse = synapse

    async def clear(self) -> None:
        """One round."""
        await for_each(
            await self._making.begun_before(present_ms() - _GRACE_MS),
            self._clear,
            otherwise="a half-made room could not be cleared yet",
        )

    async def _clear(self, room: RoomInMaking) -> None:
        if not room.is_made:
            membership = await self._rooms.membership(room.room_id, room.maker)
            if membership == "join":
                await self._api.update_room_membership(room.maker, room.maker, room.room_id, "leave")
            if membership is not None:
                await self._synapse.forget(room.maker, room.room_id)
        await self._making.end(room.room_id)
