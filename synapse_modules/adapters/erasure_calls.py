"""Retention's call that erases messages and files of the insurer's own rooms, and answers what remains."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

from pydantic import Field
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind, RoomKind
from messenger_core.calendar_periods import from_milliseconds, is_old_enough
from messenger_core.clock import present_ms
from messenger_core.problem import Problem, WireModel, parse_body
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.synapse_private.history import PrivateHistory
from synapse_modules.adapters.wire_names import WireRoomId
from synapse_modules.rules.reach import Room
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.erasable_events import ErasableEvents
from synapse_modules.store.rooms import Rooms

SCOPE = "erasure:act"
# The last moment that a datetime can hold, with a year to spare for zones.
_LATEST_MS = 253_370_764_800_000
MARKER_EVENT = "de.hek.retention"
_OWN_ROOMS = frozenset({RoomKind.SUPPORT, RoomKind.TEAM, RoomKind.SERVICE})
_MXC = re.compile(r"mxc://([^/]+)/([A-Za-z0-9_-]{1,255})")


class _Erasure(WireModel):
    room_id: WireRoomId
    before: Annotated[int, Field(ge=0, le=2**53)]
    media: Annotated[list[str], Field(max_length=10_000)]


class ErasureCalls:
    """Files first: without their messages nobody would know them any more."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        rooms: Rooms,
        register: RoomRegister,
        events: ErasableEvents,
        audit: AuditLog,
        synapse: PrivateHistory,
        minimum_age_years: int | None,
    ) -> None:
        """``minimum_age_years``: nothing younger is erased, whoever asks; None for no such limit."""
        self._minimum_age_years = minimum_age_years
        self._api = api
        self._rooms = rooms
        self._register = register
        self._events = events
        self._audit = audit
        self._synapse = synapse

    def routes(self) -> list[Route]:
        """The call."""
        return [Route("POST", "/v1/erasures", SCOPE, self.erase)]

    async def erase(self, request: MachineRequest) -> dict[str, Any]:
        """Erases what was received before a moment; may be repeated until nothing remains."""
        wanted = parse_body(_Erasure, request.body)
        self._check_age(wanted.before)
        room = await self._register.settle(wanted.room_id)
        if room is None or room.kind not in _OWN_ROOMS:
            raise Problem(409, "not-erasable", "Only messages of support, team and service rooms are erased.")
        media_ids = await self._erasable_media(wanted.media, room)
        if media_ids and not self._synapse.has_media:
            raise Problem(503, "no-media-here", "This process keeps no files; send the call to the one that does.")
        if media_ids:
            await self._synapse.delete_media(media_ids)
        await self._erase_messages(wanted.room_id, wanted.before)
        # Also when nothing was left to purge: an earlier call may have been interrupted between the two.
        await self._events.clear_leftovers(wanted.room_id)
        remaining_media = await self._events.known_media(media_ids)
        if media_ids:
            remaining_media |= self._synapse.media_on_disk(media_ids)
        remaining_events = await self._events.received_before(wanted.room_id, wanted.before)
        await self._audit.add(
            AuditEntry("erasure", room.kind.value, request.caller.client_id, room_id=wanted.room_id), at=present_ms()
        )
        return {"remaining_events": len(remaining_events), "remaining_media": len(remaining_media)}

    def _check_age(self, before: int) -> None:
        """Refuses what is too young.

        Raises:
            Problem: 409 then.
        """
        years = self._minimum_age_years
        if years is None:
            return
        if before > _LATEST_MS or not is_old_enough(from_milliseconds(before), years, from_milliseconds(present_ms())):
            detail = f"The homeserver erases nothing that is younger than {years} calendar years."
            raise Problem(409, "too-young", detail)

    async def _erasable_media(self, media: Sequence[str], room: Room) -> list[str]:
        """The files that are ours to delete.

        What people write in a message names its files, so a name may be anything: files of other homeservers, or of a
        practice's chat. Those are left alone and hinder nothing.
        """
        forms = [_MXC.fullmatch(mxc) for mxc in media]
        ours = dict.fromkeys(form[2] for form in forms if form is not None and form[1] == self._api.server_name)
        spared = await self._events.media_of_others(list(ours), room.insured_user_id)
        return [media_id for media_id in ours if media_id not in spared]

    async def _erase_messages(self, room_id: str, before: int) -> None:
        if not await self._events.received_before(room_id, before):
            return
        place = await self._events.first_to_keep(room_id, before)
        if place is None:
            # Synapse never purges the newest event of a room, so something newer than all messages is sent first.
            senders = await self._rooms.present(room_id, AccountKind.SERVICE)
            if not senders:
                return
            marker = await self._api.create_and_send_event_into_room(
                {
                    "type": MARKER_EVENT,
                    "state_key": "",
                    "room_id": room_id,
                    "sender": senders[0],
                    # State that does not change is not sent again.
                    "content": {"at": present_ms()},
                }
            )
            place = await self._events.place_of(marker.event_id)
        await self._synapse.purge_before(room_id, place)
