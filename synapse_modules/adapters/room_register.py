"""Knows what a room is: from its row, or from the mark that the module put into it when it was made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from cachetools import LRUCache
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.adapters.parties import Parties
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Room
from synapse_modules.rules.room_request import read_marker
from synapse_modules.store.rooms import Rooms

_MOST_KNOWN = 100_000
_PRESENT = frozenset({"join", "invite"})


class RoomRegister:
    """The rooms by id.

    What a room is never changes but once, when a request is accepted; so that every room but a request is read once in
    each process.
    """

    def __init__(self, api: ModuleApi, rooms: Rooms, parties: Parties) -> None:
        self._api = api
        self._rooms = rooms
        self._parties = parties
        self._known: LRUCache[str, Room] = LRUCache(_MOST_KNOWN)

    async def settle(self, room_id: str) -> Room | None:
        """Writes down what has become of a room, and says what it is now; None if it is not one of ours.

        The row of a room is written at the first look: Synapse tells a module the id only after the room is made.
        A request that was accepted meanwhile becomes a care room, for good, whoever leaves it later.
        """
        return self._known.get(room_id) or (await self.settle_with_members(room_id))[0]

    async def settle_with_members(self, room_id: str) -> tuple[Room | None, dict[str, str]]:
        """Does what ``settle`` does, and says who is in it (``join``) or invited (``invite``) as the database says now.

        The members of chats with practices only; of other rooms, which may have many, nobody asks who is there.
        """
        known = self._known.get(room_id)
        if known is not None and known.kind not in CHAT_WITH_PRACTICE:
            return known, {}
        if not room_id.isprintable():
            return None, {}
        room, members = await self._rooms.find_with_members(room_id)
        if room is None:
            room = await self._write_down(room_id)
            members = await self._rooms.members(room_id) if room is not None and room.kind in CHAT_WITH_PRACTICE else {}
        if room is not None and room.kind is RoomKind.REQUEST:
            room = await self._accept_if_answered(room, members)
        if room is not None and room.kind is not RoomKind.REQUEST:
            self._known[room_id] = room
        return room, members

    async def practices(self, room_id: str) -> list[str]:
        """How the practices of a chat stand to it: ``join`` or ``invite`` for each.

        The whole state is asked for, not the members alone: a chat has little of it, and the whole of it is what
        Synapse keeps in memory.
        """
        state = await self._api.get_room_state(room_id)
        members = {
            user_id: str(event.content.get("membership"))
            for (kind, user_id), event in state.items()
            if kind == "m.room.member" and event.content.get("membership") in _PRESENT
        }
        kinds = await self._parties.kinds(list(members))
        return [members[user_id] for user_id, kind in kinds.items() if kind is AccountKind.PRACTICE]

    async def _accept_if_answered(self, request: Room, members: Mapping[str, str]) -> Room:
        """It is accepted once the person and a practice are in it, and open as long as somebody is invited."""
        joined = [user_id for user_id, membership in members.items() if membership == "join"]
        kinds = await self._parties.kinds(joined)
        if {AccountKind.INSURED, AccountKind.PRACTICE} <= set(kinds.values()):
            await self._rooms.accept(request.room_id)
            return replace(request, kind=RoomKind.CARE)
        return replace(request, is_open="invite" in members.values())

    async def _write_down(self, room_id: str) -> Room | None:
        state = await self._api.get_room_state(room_id, [("m.room.create", "")])
        create = state.get(("m.room.create", ""))
        # Only rooms made here: a mark in somebody else's room proves nothing.
        plan = read_marker(create.content) if create is not None and self._api.is_mine(create.sender) else None
        if create is None or plan is None:
            return None
        room = Room(room_id, plan.kind, plan.insured_user_id)
        await self._rooms.add(room, created_at=create.origin_server_ts)
        return room
