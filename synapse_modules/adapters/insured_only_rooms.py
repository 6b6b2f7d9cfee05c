"""Empties chats in which insured people alone are left, after a time in which they can export them."""

from __future__ import annotations

from datetime import timedelta

from synapse.module_api import ModuleApi

from messenger_core.calendar_periods import from_milliseconds
from messenger_core.clock import present_ms
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.rounds import for_each
from synapse_modules.rules.insured_only_rooms import is_left_to_insured_people, is_to_be_emptied
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE
from synapse_modules.store.insured_only_rooms import InsuredOnlyRooms
from synapse_modules.store.rooms import Rooms

_PAGE = 200
_AGAIN = "a chat of insured people alone is looked at again later"


class InsuredOnlyRoomsWork:
    """Runs on the main process; every step can be interrupted and is found again."""

    def __init__(
        self,
        api: ModuleApi,
        insured_only: InsuredOnlyRooms,
        *,
        rooms: Rooms,
        register: RoomRegister,
        parties: Parties,
        grace: timedelta,
    ) -> None:
        self._api = api
        self._insured_only = insured_only
        self._rooms = rooms
        self._register = register
        self._parties = parties
        self._grace = grace
        self._seen_before: set[str] = set()

    async def tell_and_empty(self) -> None:
        """One round: goes on with the chats that are noted, then looks for new ones."""
        await for_each(await self._insured_only.told(), lambda one: self._go_on(*one), otherwise=_AGAIN)
        seen: set[str] = set()
        page = [""]
        while page:
            page = await self._insured_only.candidates_after(page[-1], _PAGE)
            await for_each(page, lambda room_id: self._begin(room_id, seen), otherwise=_AGAIN)
        self._seen_before = seen

    async def _begin(self, room_id: str, seen: set[str]) -> None:
        people = await self._people_left(room_id)
        # A chat that is just being made looks the same until its invitation is sent.
        if people and room_id in self._seen_before:
            await self._insured_only.tell(room_id, people, at=present_ms())
        elif people:
            seen.add(room_id)

    async def _go_on(self, room_id: str, told_at: int) -> None:
        people = await self._people_left(room_id)
        if not people:
            await self._insured_only.forget(room_id)
        elif is_to_be_emptied(from_milliseconds(told_at), from_milliseconds(present_ms()), self._grace):
            await self._insured_only.emptying(room_id, people, at=present_ms())
            for user_id in people:
                # They leave and forget nothing: what was written until then they can still read.
                await self._api.update_room_membership(user_id, user_id, room_id, "leave")

    async def _people_left(self, room_id: str) -> list[str]:
        """Those of ours who are left in a chat with insured people alone; empty if it is not such a chat."""
        room = await self._register.settle(room_id)
        if room is not None and room.kind not in CHAT_WITH_PRACTICE:
            return []
        members = await self._rooms.members(room_id)
        parties = await self._parties.of(list(members))
        if not is_left_to_insured_people(members, parties):
            return []
        return sorted(user_id for user_id in members if self._api.is_mine(user_id))
