"""Who of other servers invites and joins here, who of ours there, and what of a server's refusal people are told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Literal

from synapse.api.errors import ProxiedRequestError, SynapseError
from synapse.module_api import NOT_SPAM, EventBase
from synapse.util.retryutils import NotRetryingDestination

from messenger_core.account_kinds import RoomKind
from messenger_core.clock import present_ms
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import reach, rooms_elsewhere
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, House, Refusal, Room
from synapse_modules.rules.rooms_elsewhere import ForeignState
from synapse_modules.store.rooms import Rooms


class FederatedMemberGate:
    """Stands in front of memberships that two servers have to do with."""

    def __init__(
        self,
        *,
        house: House,
        rooms: Rooms,
        register: RoomRegister,
        parties: Parties,
        permissions: Permissions,
        refusals: Refusals,
        second_insured_by_practice: bool,
    ) -> None:
        self._house = house
        self._rooms = rooms
        self._register = register
        self._parties = parties
        self._permissions = permissions
        self._refusals = refusals
        self._second_insured = second_insured_by_practice

    async def federated_user_may_invite(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Called when another server invites somebody of ours; a room that is new here is written down.

        Raises:
            SynapseError: if it is refused; it does not tell whether there is such a person.
        """
        inviter_id, invitee_id = event.sender, event.get_state_key() or ""
        parties = await self._parties.of([inviter_id, invitee_id])
        inviter, invitee = parties[inviter_id], parties[invitee_id]
        room = await self._register.settle(event.room_id)
        refusal = reach.check_invitation_from_elsewhere(
            inviter, invitee, admitted=await self._permissions.admits(inviter, invitee)
        )
        if refusal is None and not self._fits(event, room, invitee_id):
            refusal = Refusal.NOT_REACHABLE
        if refusal is not None:
            raise self._refusals.error(refusal)
        if room is None:
            new = Room(event.room_id, RoomKind.REQUEST, invitee_id)
            await self._rooms.add(new, created_at=present_ms())
        return NOT_SPAM

    def _fits(self, event: EventBase, room: Room | None, invitee: str) -> bool:
        if not rooms_elsewhere.is_plain_invitation(dict(event.content)):
            return False
        if room is not None:
            return room.kind in CHAT_WITH_PRACTICE and room.insured_user_id == invitee
        shown = event.unsigned.get("invite_room_state")
        return rooms_elsewhere.may_be_entered(event.room_version.identifier, _stripped(shown))

    async def tell_how_to_join(self, call: Call) -> Any:
        """Somebody of another server asks how to join a room.

        Raises:
            SynapseError: if she may not.
        """
        room_id, user_id = call.arguments["room_id"], call.arguments["user_id"]
        members = await self._rooms.members(room_id)
        refusal = reach.check_join(
            (await self._parties.of([user_id]))[user_id],
            await self._register.settle(room_id),
            self._house,
            is_invited=user_id in members,
            second_insured=self._second_insured,
        )
        if refusal is not None:
            raise self._refusals.error(refusal)
        return await call.go_on()

    async def refuse_knock(self, _call: Call) -> Any:
        """Nobody knocks, and nobody is invited by an address.

        Raises:
            SynapseError: always.
        """
        raise self._refusals.error(Refusal.NOT_INVITED)

    async def invite(self, call: Call) -> Any:
        """Somebody of ours invites somebody there: that server decides as ours does (AF_10061).

        Raises:
            SynapseError: if it does not take it; what it wrote is not passed on, though Synapse would show it.
        """
        try:
            return await call.go_on()
        except SynapseError as fault:
            refusal = Refusal.NOT_REACHABLE if _has_refused(fault.code) else Refusal.NO_ANSWER_FROM_THERE
            raise self._refusals.error(refusal) from None
        except NotRetryingDestination:
            raise self._refusals.error(Refusal.NO_ANSWER_FROM_THERE) from None

    async def join(self, call: Call) -> Any:
        """Somebody of ours joins a room there.

        Raises:
            SynapseError: if that server does not let her in; what it wrote is not passed on either.
        """
        try:
            return await call.go_on()
        except ProxiedRequestError as fault:
            refusal = Refusal.NOT_INVITED if _has_refused(fault.code) else Refusal.NO_ANSWER_FROM_THERE
            raise self._refusals.error(refusal) from None
        except SynapseError as fault:
            if fault.code < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            raise self._refusals.error(Refusal.NO_ANSWER_FROM_THERE) from None


def _has_refused(status: int) -> bool:
    """Whether a server has said no, rather than nothing or that it cannot answer now."""
    return 400 <= status < 500 and status != HTTPStatus.TOO_MANY_REQUESTS


def _stripped(shown: object) -> list[ForeignState]:
    """What can be read of the state that an invitation shows."""
    events = shown if isinstance(shown, Sequence) else ()
    return [
        ForeignState(event["type"], event["state_key"], _object(event.get("content")), event["sender"])
        for event in events
        if isinstance(event, Mapping)
        and all(isinstance(event.get(key), str) for key in ("type", "state_key", "sender"))
    ]


def _object(value: object) -> Mapping[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}
