"""Judges events of other servers, and rooms there that our people enter, on facts of our database only."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Literal

from synapse.api.errors import Codes
from synapse.module_api import NOT_SPAM, EventBase, ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.clock import present_ms
from messenger_core.people_names import ReservedNames
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.rules import rooms_elsewhere
from synapse_modules.rules.messages import DELETION, SentEvent
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Party, Refusal, Room
from synapse_modules.rules.rooms_elsewhere import MEMBER, ForeignEvent, ForeignState, Verdict
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_to_leave import RoomsToLeave


class ForeignEvents:
    """What the rules say of them; what is refused is refused for good: a second look must come to the same end."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        rooms: Rooms,
        register: RoomRegister,
        parties: Parties,
        permissions: Permissions,
        refusals: Refusals,
        to_leave: RoomsToLeave,
        reserved: ReservedNames,
    ) -> None:
        self._api = api
        self._reserved = reserved
        self._rooms = rooms
        self._register = register
        self._parties = parties
        self._permissions = permissions
        self._refusals = refusals
        self._to_leave = to_leave

    async def verdict(self, event: EventBase) -> Literal["NOT_SPAM"] | Codes:
        """Called for every event of another server; decides on facts of our database only.

        What is refused is refused for good: a second look must come to the same end.
        """
        if await self._is_asking(event) or await self._is_early(event):
            return NOT_SPAM
        return NOT_SPAM if await self._judge(event) is Verdict.TAKEN else Codes.FORBIDDEN

    async def is_refused(self, event: EventBase) -> bool:
        """The same for what Synapse does not ask about."""
        return await self.verdict(event) != NOT_SPAM

    async def _is_asking(self, event: EventBase) -> bool:
        """Whether it is an invitation into a room that is not known here yet: it is judged when all of it is read."""
        is_invitation = event.type == MEMBER and event.content.get("membership") == "invite"
        return is_invitation and await self._register.settle(event.room_id) is None

    async def _is_early(self, event: EventBase) -> bool:
        """Whether it deletes what is not stored yet: it may just have come, and ``counts_in_vain`` looks again."""
        return event.type == DELETION and bool(event.redacts) and await self._deleted(event) is None

    def is_judged_again(self, event: EventBase) -> bool:
        """Whether more is known of an event once what came before it is stored."""
        by_members = event.is_state() and rooms_elsewhere.needs_members(event.type, event.content)
        return by_members or event.type == DELETION

    async def counts_in_vain(self, event: EventBase, members: Collection[str]) -> bool:
        """Whether it is refused, now that what came before it is stored."""
        return await self._judge(event, frozenset(members)) is not Verdict.TAKEN

    async def _deleted(self, event: EventBase) -> SentEvent | None:
        return await self._rooms.sent(event.room_id, event.redacts) if event.redacts else None

    async def _judge(self, event: EventBase, members: frozenset[str] | None = None) -> Verdict:
        room = await self._register.settle(event.room_id)
        return rooms_elsewhere.judge_event(await self._foreign(event, room, members), room, now=present_ms())

    async def _foreign(
        self, event: EventBase, room: Room | None, members: frozenset[str] | None = None
    ) -> ForeignEvent:
        target = event.get_state_key() if event.type == MEMBER else None
        sender_kind = await self._kind(event.sender)
        return ForeignEvent(
            type=event.type,
            state_key=event.get_state_key(),
            sender=event.sender,
            # Synapse's own kind of mapping compares its keys with nothing.
            content=dict(event.content),
            sender_kind=sender_kind,
            target_kind=None if target is None else await self._kind(target),
            target_is_ours=target is not None and self._api.is_mine(target),
            # Asked once, when it comes: what was admitted then stays so.
            is_admitted=members is not None or target is None or await self._is_admitted(event.sender, target),
            sender_is_asked=sender_kind is AccountKind.INSURED and await self._is_asked(event.sender, room),
            deletes=await self._deleted(event) if event.type == DELETION else None,
            members=members,
        )

    async def _kind(self, user_id: str) -> AccountKind | None:
        return (await self._parties.kinds([user_id])).get(user_id)

    async def _is_asked(self, user_id: str, room: Room | None) -> bool:
        """Whether somebody of ours invited a person into a room; the invitation was judged, and stays a fact."""
        if room is None or user_id == room.insured_user_id:
            return room is not None
        return any(map(self._api.is_mine, await self._rooms.inviters(room.room_id, user_id)))

    async def _is_admitted(self, inviter_id: str, invitee_id: str) -> bool:
        """Whether somebody of ours lets herself be invited by somebody, by whatever way the invitation comes."""
        if not self._api.is_mine(invitee_id):
            return True
        invitee = (await self._parties.of([invitee_id]))[invitee_id]
        inviter = Party(inviter_id, await self._kind(inviter_id), live=True)
        return invitee.live and await self._permissions.admits(inviter, invitee)

    async def shown(self, event: EventBase) -> Mapping[str, Any] | None:
        """What is shown of an event that counts, if it is not all that it says."""
        is_invitation = event.type == MEMBER and event.content.get("membership") == "invite"
        target = event.get_state_key() or ""
        # An invitation of ours is refused as a whole: emptied, it would not be what its sender signed.
        if event.type != MEMBER or not event.is_state() or (is_invitation and self._api.is_mine(target)):
            return None
        content = dict(event.content)
        known_name = await self._rooms.name(event.room_id, target)
        shown = rooms_elsewhere.shown_membership(content, known_name, self._reserved)
        return None if shown == content else shown

    async def note_broken_room(self, event: EventBase) -> None:
        """Notes the room of a new event that is refused, if our people have to leave it because of that.

        Called for what would count by Matrix's own rules, before it is stored as refused.
        """
        if not event.is_state():
            return
        room = await self._register.settle(event.room_id)
        if rooms_elsewhere.has_broken_room(await self._foreign(event, room), room, now=present_ms()):
            await self._to_leave.add(event.room_id, at=present_ms())

    async def take_room(self, room_id: str, version: str, user_id: str, state: Sequence[EventBase]) -> set[str]:
        """Which state of a room of another server is taken, by event id, before somebody of ours is in it.

        Args:
            room_id: the room.
            version: of the room.
            user_id: who wants to be in it.
            state: all that its server says, also what cannot be verified here since its sender is not admitted.

        Raises:
            SynapseError: if it is no chat of one insured person with a practice; she then leaves it on its server too.
        """
        foreign = [
            ForeignState(
                event.type,
                event.get_state_key() or "",
                dict(event.content),
                event.sender,
                await self._kind(event.get_state_key() or "") if event.type == MEMBER else None,
            )
            for event in state
        ]
        members = frozenset(event.state_key for event in foreign if event.type == MEMBER)
        verdicts = {
            event.event_id: await self._judge(event, members) for event in state if not self._api.is_mine(event.sender)
        }
        taken = {event.event_id for event in state if verdicts.get(event.event_id, Verdict.TAKEN) is Verdict.TAKEN}
        # What is refused does not make a chat of it, whoever is refused was there all the same.
        counts = [
            one for one, event in zip(foreign, state, strict=True) if one.type == MEMBER or event.event_id in taken
        ]
        room = await self._register.settle(room_id)
        is_hers = room is not None and room.kind in CHAT_WITH_PRACTICE and room.insured_user_id == user_id
        is_whole = Verdict.BREAKS_ROOM not in verdicts.values()
        if not is_hers or not is_whole or not rooms_elsewhere.is_chat(version, counts, user_id):
            # Its server counts her as a member already.
            await self._to_leave.add(room_id, at=present_ms())
            raise self._refusals.error(Refusal.NOT_A_CHAT)
        return taken
