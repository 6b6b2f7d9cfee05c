"""Knows what a room is: from its row, or from the mark that the module put into it when it was made."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from messenger_core.account_kinds import RoomKind
from synapse_modules.rules.reach import Room
from synapse_modules.rules.room_form import read_marker
from synapse_modules.store.rooms import Rooms


class RoomRegister:
    """The rooms by id."""

    def __init__(self, api: ModuleApi, rooms: Rooms) -> None:
        self._api = api
        self._rooms = rooms

    async def find(self, room_id: str) -> Room | None:
        """The room as it stands now; None if it is not one of ours.

        The row of a room is written at the first look: Synapse tells a module the id only after the room is made.
        A request that was accepted meanwhile is found as a care room.
        """
        room = await self._rooms.find(room_id) or await self._read(room_id)
        if room is None or room.kind is not RoomKind.REQUEST:
            return room
        is_accepted = await self._rooms.accept_if_both_joined(room_id)
        return Room(room_id, RoomKind.CARE, room.insured_user_id) if is_accepted else room

    async def _read(self, room_id: str) -> Room | None:
        state = await self._api.get_room_state(room_id, [("m.room.create", "")])
        create = state.get(("m.room.create", ""))
        # Only rooms made here: a mark in somebody else's room proves nothing.
        plan = read_marker(create.content) if create is not None and self._api.is_mine(create.sender) else None
        if create is None or plan is None:
            return None
        room = Room(room_id, plan.kind, plan.insured_user_id)
        await self._rooms.add(room, created_at=create.origin_server_ts)
        return room
