"""Takes our people out of rooms that another server changed against the rules, and tells them."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from messenger_core.clock import present_ms
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.rounds import for_each
from synapse_modules.store.rooms_to_leave import RoomsToLeave


class LeavingRooms:
    """Runs on the main process; a room that is noted is left however often that is interrupted."""

    def __init__(self, api: ModuleApi, to_leave: RoomsToLeave, parties: Parties) -> None:
        self._api = api
        self._to_leave = to_leave
        self._parties = parties

    async def leave_what_is_noted(self) -> None:
        """One round."""
        await for_each(await self._to_leave.all(), self._leave, otherwise="a room could not be left yet")

    async def _leave(self, room_id: str) -> None:
        there = await self._to_leave.still_there(room_id)
        for user_id, kind in (await self._parties.kinds(there)).items():
            # Told first: whoever was taken out before an interruption would not be found again.
            await self._to_leave.tell(room_id, user_id, kind.value, at=present_ms())
            await self._api.update_room_membership(user_id, user_id, room_id, "leave")
        await self._to_leave.done(room_id)
