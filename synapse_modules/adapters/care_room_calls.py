"""Retention's calls about chats with practices: which are old, leave them, forget them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.clock import present_ms
from messenger_core.problem import WireModel, parse_body
from synapse_modules.adapters.account_calls import unknown_account
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.synapse_private.memberships import PrivateMemberships
from synapse_modules.adapters.wire_names import WireEventId, WireRoomId, WireUserId
from synapse_modules.rules.idle_rooms import is_idle
from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.rooms import Rooms

SCOPE = "retention:act"
_PAGE = 200
_RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")


def _is_rfc_3339(value: object) -> object:
    if not isinstance(value, str) or not _RFC_3339.fullmatch(value):
        raise ValueError("a moment with a zone is expected, like 2026-11-24T00:00:00+01:00 (RFC 3339)")
    return value


def _is_computable(moment: datetime) -> datetime:
    # The longest period that a person can choose must lie inside the calendar, and the moment in any zone.
    if not 1900 <= moment.year < 9999:
        raise ValueError("the year must lie between 1900 and 9998")
    return moment


class _Idle(BaseModel):
    model_config = ConfigDict(extra="forbid")

    as_of: Annotated[AwareDatetime, BeforeValidator(_is_rfc_3339), AfterValidator(_is_computable)]
    page: WireRoomId | Literal[""] = ""


class _Consent(WireModel):
    user_id: WireUserId
    room_ids: Annotated[list[WireRoomId], Field(max_length=1000)]
    consent_event_id: WireEventId
    consented_at: Annotated[int, Field(ge=0, le=2**53)]


class CareRoomCalls:
    """Everything here acts for the person, with her consent, and is written into the audit log."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        accounts: Accounts,
        rooms: Rooms,
        register: RoomRegister,
        audit: AuditLog,
        synapse: PrivateMemberships,
    ) -> None:
        self._api = api
        self._accounts = accounts
        self._rooms = rooms
        self._register = register
        self._audit = audit
        self._synapse = synapse

    def routes(self) -> list[Route]:
        """The calls."""
        return [
            Route("GET", "/v1/care-rooms/idle", SCOPE, self.idle),
            Route("POST", "/v1/care-rooms/leave", SCOPE, self.leave),
            Route("POST", "/v1/care-rooms/forget", SCOPE, self.forget),
        ]

    async def idle(self, request: MachineRequest) -> dict[str, Any]:
        """One page of the chats whose last message is older than the person's period."""
        asked = request.read_query(_Idle)
        chats = await self._rooms.chats_after(asked.page, _PAGE)
        return {
            "rooms": [
                {"user_id": chat.user_id, "room_id": chat.room_id, "last_message_at": chat.last_message_at}
                for chat in chats
                if is_idle(chat.last_message_at, chat.retention_months, asked.as_of)
            ],
            "next": chats[-1].room_id if len(chats) == _PAGE else None,
        }

    async def leave(self, request: MachineRequest) -> dict[str, Any]:
        """Leaves rooms for a person; one that she has left already is done."""
        return await self._act(request, "care-room-left", self._leave_one)

    async def forget(self, request: MachineRequest) -> dict[str, Any]:
        """Forgets rooms that a person has left."""
        return await self._act(request, "care-room-forgotten", self._forget_one)

    async def _act(
        self,
        request: MachineRequest,
        what: str,
        act: Callable[[_Consent, str], Awaitable[str | None]],
    ) -> dict[str, Any]:
        consent = parse_body(_Consent, request.body)
        account = await self._accounts.find(consent.user_id)
        if account is None or account.kind is not AccountKind.INSURED or account.state is AccountState.PENDING:
            raise unknown_account()
        done: list[str] = []
        refused: list[dict[str, str]] = []
        for room_id in dict.fromkeys(consent.room_ids):
            reason = await self._not_hers(consent.user_id, room_id) or await act(consent, room_id)
            if reason is not None:
                refused.append({"room_id": room_id, "reason": reason})
                continue
            done.append(room_id)
            await self._audit.add(
                AuditEntry(
                    what,
                    "consent",
                    request.caller.client_id,
                    user_id=consent.user_id,
                    room_id=room_id,
                    reference=consent.consent_event_id,
                ),
                at=present_ms(),
            )
        return {"done": done, "refused": refused}

    async def _not_hers(self, user_id: str, room_id: str) -> str | None:
        room = await self._register.settle(room_id)
        is_hers = room is not None and room.kind in CHAT_WITH_PRACTICE and room.insured_user_id == user_id
        return None if is_hers else "not-a-care-room"

    async def _leave_one(self, consent: _Consent, room_id: str) -> str | None:
        match await self._rooms.membership(room_id, consent.user_id):
            case "leave":
                return None
            case "join":
                if await self._rooms.wrote_after(room_id, consent.user_id, consent.consented_at):
                    return "written-since"
                await self._api.update_room_membership(consent.user_id, consent.user_id, room_id, "leave")
                return None
            case _:
                return "not-a-member"

    async def _forget_one(self, consent: _Consent, room_id: str) -> str | None:
        match await self._rooms.membership(room_id, consent.user_id):
            case "leave":
                if await self._rooms.wrote_after(room_id, consent.user_id, consent.consented_at):
                    return "written-since"
                await self._synapse.forget(consent.user_id, room_id)
                return None
            case "join" | "invite":
                return "still-a-member"
            case _:
                return "not-a-member"
