"""Judges every change of a membership: invitations, joins, knocks and removals, by whomever and by whatever way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cachetools import LRUCache

from messenger_core.account_kinds import AccountKind, RoomKind
from messenger_core.clock import present_ms
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.reachability_age import ReachabilityAge
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.rules import reach
from synapse_modules.rules.clear_text import membership_without_words
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Circumstances, House, Refusal
from synapse_modules.rules.room_form import FormFault
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_in_making import RoomsInMaking

_MOST_KNOWN = 100_000
_ASKING = frozenset({AccountKind.INSURED, AccountKind.PRACTICE})


@dataclass(frozen=True, slots=True)
class MembershipChange:
    """What somebody wants to change.

    Attributes:
        sender: who changes it; an administrator who makes somebody join appears as that user.
        target: whose membership it is.
        room_id: the room.
        action: ``invite``, ``join``, ``knock``, ``leave``, ``kick``, ``ban``, ``unban`` or whatever a client wrote.
        content: what a client wrote beside it.
        by_address: whether it leans on an invitation to a mail address or telephone number.
        is_new_room: whether it is a step of making a room, which was judged as a whole.
    """

    sender: str
    target: str
    room_id: str
    action: object
    content: Mapping[str, Any]
    by_address: bool
    is_new_room: bool


class MembershipJudge:
    """What is asked before a membership changes; it binds administrators too, and whoever acts in somebody's name."""

    def __init__(
        self,
        *,
        house: House,
        rooms: Rooms,
        making: RoomsInMaking,
        register: RoomRegister,
        parties: Parties,
        permissions: Permissions,
        age: ReachabilityAge,
        refusals: Refusals,
        second_insured_by_practice: bool,
    ) -> None:
        self._house = house
        self._rooms = rooms
        self._making = making
        self._register = register
        self._parties = parties
        self._permissions = permissions
        self._age = age
        self._refusals = refusals
        self._second_insured = second_insured_by_practice
        self._made: LRUCache[str, bool] = LRUCache(_MOST_KNOWN)

    async def judge(self, change: MembershipChange) -> dict[str, Any]:
        """What of the content is kept.

        Raises:
            SynapseError: if the change is refused.
        """
        if change.by_address:
            raise self._refusals.error(Refusal.NOT_REACHABLE)
        refusal: Refusal | None
        # A new room was judged as a whole before anything of it was made; what comes of it is not judged again.
        if not change.is_new_room:
            match change.action:
                case "invite":
                    refusal = await self._invitation(change)
                case "join":
                    refusal = await self._join(change)
                case "knock":
                    refusal = Refusal.NOT_INVITED
                case "leave" | "kick" | "ban" | "unban":
                    refusal = await self._removal(change)
                case _:
                    raise self._refusals.error(FormFault.NOT_READABLE)
            if refusal is not None:
                raise self._refusals.error(refusal)
        return membership_without_words(change.content)

    async def note_making(self, change: MembershipChange) -> None:
        """Writes down that somebody makes a room, before she is in it: whatever ends this process, it will be ended."""
        kinds = await self._parties.kinds([change.sender])
        # A room of people has one invitation, its last step; HEK's accounts find and finish their rooms themselves.
        if change.action == "join" and kinds.get(change.sender) in _ASKING:
            await self._making.begin(change.room_id, change.sender, at=present_ms())

    async def end_making(self, change: MembershipChange) -> None:
        """Strikes out what ``note_making`` wrote: the one invitation of a new room is sent, or the room is ended."""
        await self._making.end(change.room_id)

    async def invitations_to_take_back(self, change: MembershipChange) -> list[str]:
        """Whose pending invitations are taken back before the change.

        Who leaves a chat in which nobody else is withdraws what was asked: nobody shall accept an invitation into an
        empty room.
        """
        if change.action != "leave" or change.sender != change.target:
            return []
        room, members = await self._register.settle_with_members(change.room_id)
        if room is None or room.kind not in CHAT_WITH_PRACTICE:
            return []
        if members.pop(change.sender, None) != "join" or "join" in members.values():
            return []
        return sorted(members)

    async def _invitation(self, change: MembershipChange) -> Refusal | None:
        room, members = await self._register.settle_with_members(change.room_id)
        is_team = room is not None and room.kind is RoomKind.TEAM
        find = self._parties.colleagues if is_team else self._parties.of
        parties = await find([change.sender, change.target])
        inviter, invitee = parties[change.sender], parties[change.target]
        # Of a chat alone; in no other room does it matter who is there.
        others = [user_id for user_id in members if user_id != invitee.user_id]
        present = Counter((await self._parties.kinds(others)).values())
        given = Circumstances(
            reachability_known=self._age.is_known_for(inviter, [invitee]),
            admitted=await self._permissions.admits(inviter, invitee),
            practices=present[AccountKind.PRACTICE],
            insured_people=present[AccountKind.INSURED],
            second_insured_by_practice=self._second_insured,
        )
        refusal = reach.check_invitation(inviter, invitee, room, self._house, given)
        is_accepted = room is not None and room.kind is RoomKind.CARE
        if refusal is None and not is_accepted and await self._is_being_made(change.room_id):
            # It may lack its encryption, and is ended soon.
            return Refusal.REQUEST_ENDED
        return refusal

    async def _is_being_made(self, room_id: str) -> bool:
        """Whether a room is not made yet. One that is never goes back, so that each is read once in each process."""
        if room_id in self._made:
            return False
        if await self._making.is_under_way(room_id):
            return True
        self._made[room_id] = True
        return False

    async def _join(self, change: MembershipChange) -> Refusal | None:
        membership = await self._rooms.membership(change.room_id, change.target)
        if membership == "join":
            return None
        return reach.check_join(
            (await self._parties.of([change.target]))[change.target],
            await self._register.settle(change.room_id),
            self._house,
            is_invited=membership == "invite",
            second_insured=self._second_insured,
        )

    async def _removal(self, change: MembershipChange) -> Refusal | None:
        if change.sender == change.target and change.action == "leave":
            return None
        members = await self._rooms.members(change.room_id)
        return reach.check_removal(
            (await self._parties.of([change.sender]))[change.sender],
            await self._register.settle(change.room_id),
            self._house,
            is_invited=members.get(change.target) == "invite",
            is_ban=change.action in {"ban", "unban"},
        )
