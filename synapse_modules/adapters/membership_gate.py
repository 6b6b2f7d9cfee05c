"""Judges every change of a membership: invitations, joins, knocks and removals, by whomever and by whatever way."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

from synapse.api.errors import AuthError, SynapseError
from synapse.module_api import NOT_SPAM, EventBase, ModuleApi

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.present import now_ms
from synapse_modules.adapters.reachability_age import ReachabilityAge
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.adapters.synapse_private.memberships import MembershipChange
from synapse_modules.rules import reach
from synapse_modules.rules.clear_text import membership_without_words
from synapse_modules.rules.reach import CHAT_WITH_PRACTICE, Circumstances, House, Refusal
from synapse_modules.rules.room_form import FormFault
from synapse_modules.store.rooms import Rooms
from synapse_modules.store.rooms_in_making import RoomsInMaking

_MOST_KNOWN = 100_000
_ASKING = frozenset({AccountKind.INSURED, AccountKind.PRACTICE})


class MembershipGate:
    """The judge in front of Synapse's handler (``synapse_private.memberships.MembershipJudge``).

    It binds administrators as well, and whoever acts in somebody's name.
    """

    def __init__(
        self,
        api: ModuleApi,
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
        self._made: set[str] = set()
        api.register_spam_checker_callbacks(federated_user_may_invite=self.federated_user_may_invite)

    async def judge(self, change: MembershipChange) -> dict[str, Any]:
        """What of the content is kept.

        Raises:
            SynapseError: if the change is refused.
        """
        if change.by_address:
            raise self.refused_address()
        refusal: Refusal | None
        # A new room was judged as a whole before anything of it was made; what comes of it is not judged again.
        if change.is_new_room:
            await self._note_making(change)
        else:
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

    async def _note_making(self, change: MembershipChange) -> None:
        """Writes down that somebody makes a room, before she is in it: whatever ends this process, it will be ended."""
        kinds = await self._parties.kinds([change.sender])
        # A room of people has one invitation, its last step; HEK's accounts find and finish their rooms themselves.
        if change.action == "join" and kinds.get(change.sender) in _ASKING:
            await self._making.begin(change.room_id, change.sender, at=now_ms())

    async def is_made(self, change: MembershipChange) -> None:
        """The one invitation of a new room is sent, or the room is ended again."""
        await self._making.end(change.room_id)

    async def taken_back_with(self, change: MembershipChange) -> list[str]:
        """Whose pending invitations are taken back before the change.

        Who leaves a chat in which nobody else is withdraws what was asked: nobody shall accept an invitation into an
        empty room.
        """
        if change.action != "leave" or change.sender != change.target:
            return []
        room, members = await self._register.look(change.room_id)
        if room is None or room.kind not in CHAT_WITH_PRACTICE:
            return []
        if members.pop(change.sender, None) != "join" or "join" in members.values():
            return []
        return sorted(members)

    def in_our_words(self, fault: SynapseError) -> SynapseError:
        """A refusal of Synapse's own: whom it is about is in the room already, or whoever asks is not."""
        return self._refusals.error(Refusal.NOT_AS_IT_IS) if isinstance(fault, AuthError) else fault

    def refused_address(self) -> SynapseError:
        """Nobody is invited by mail address or telephone number."""
        return self._refusals.error(Refusal.NOT_REACHABLE)

    def refused_upgrade(self) -> SynapseError:
        """No room is replaced by another."""
        return self._refusals.error(Refusal.STATE_FIXED)

    async def federated_user_may_invite(self, event: EventBase) -> Literal["NOT_SPAM"]:
        """Called for invitations from other servers, also if this one knows nobody there.

        Raises:
            SynapseError: if it is refused.
        """
        inviter, invitee = event.sender, event.get_state_key() or ""
        parties = await self._parties.of([inviter, invitee])
        admitted = await self._permissions.admits(parties[inviter], parties[invitee])
        refusal = reach.check_invitation_from_elsewhere(parties[inviter], parties[invitee], admitted=admitted)
        if refusal is not None:
            raise self._refusals.error(refusal)
        return NOT_SPAM

    async def _invitation(self, change: MembershipChange) -> Refusal | None:
        room, members = await self._register.look(change.room_id)
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
        if len(self._made) > _MOST_KNOWN:
            self._made.clear()
        self._made.add(room_id)
        return False

    async def _join(self, change: MembershipChange) -> Refusal | None:
        membership = await self._rooms.membership(change.room_id, change.target)
        if membership == "join":
            return None
        return reach.check_join(
            (await self._parties.of([change.target]))[change.target],
            await self._register.find(change.room_id),
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
            await self._register.find(change.room_id),
            self._house,
            is_invited=members.get(change.target) == "invite",
            is_ban=change.action in {"ban", "unban"},
        )
