"""Every change of a membership by somebody of this server, whoever asks for it and by whatever way."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any, Literal

from synapse.api.errors import AuthError, SynapseError
from synapse.module_api import NOT_SPAM, EventBase, UserID

from synapse_modules.adapters.membership_judge import MembershipChange, MembershipJudge
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.memberships import PrivateMemberships
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import reach
from synapse_modules.rules.reach import Refusal


class MembershipGate:
    """Asks the judge, and orders the steps of a change.

    The callbacks that Synapse has for this are not called for administrators and server notices, see no reason of an
    invitation, and not one of them is called for a knock or a removal.
    """

    def __init__(
        self,
        judge: MembershipJudge,
        *,
        parties: Parties,
        permissions: Permissions,
        refusals: Refusals,
        synapse: PrivateMemberships,
    ) -> None:
        self._judge = judge
        self._parties = parties
        self._permissions = permissions
        self._refusals = refusals
        self._synapse = synapse

    async def change(self, call: Call) -> Any:
        """A membership changes.

        Raises:
            SynapseError: if it is refused, by us or by Synapse.
        """
        asked = call.arguments
        change = MembershipChange(
            sender=asked["requester"].user.to_string(),
            target=asked["target"].to_string(),
            room_id=asked["room_id"],
            action=asked["action"],
            content=asked["content"] or {},
            by_address=asked["third_party_signed"] is not None,
            is_new_room=asked["new_room"],
        )
        content = await self._judge.judge(change)
        if change.is_new_room:
            await self._judge.note_making(change)
        for user_id in await self._judge.invitations_to_take_back(change):
            try:
                await call.go_on(target=UserID.from_string(user_id), action="kick", content={}, txn_id=None)
            except SynapseError:
                # Not in the leaver's power; the leaving itself is never held up.
                continue
        if not change.is_new_room or change.action != "invite":
            return await self._in_our_words(call.go_on(content=content))
        try:
            result = await call.go_on(content=content)
        except Exception:
            await self._take_out_maker(call)
            await self._judge.end_making(change)
            raise
        await self._judge.end_making(change)
        return result

    async def refuse_address(self, _call: Call) -> Any:
        """Nobody is invited by mail address or telephone number.

        Raises:
            SynapseError: always.
        """
        raise self._refusals.error(Refusal.NOT_REACHABLE)

    async def refuse_upgrade(self, _call: Call) -> Any:
        """No room is replaced by another.

        Raises:
            SynapseError: always.
        """
        raise self._refusals.error(Refusal.STATE_FIXED)

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

    async def _in_our_words(self, change: Awaitable[Any]) -> Any:
        """Whom Synapse refuses is in the room already, or whoever asks is not; its own texts name ids, in English."""
        try:
            return await change
        except AuthError:
            raise self._refusals.error(Refusal.NOT_AS_IT_IS) from None

    async def _take_out_maker(self, invitation: Call) -> None:
        """Ends a room whose one invitation failed: nobody is in it, and nobody's client shows it."""
        maker = invitation.arguments["requester"].user
        await invitation.go_on(
            target=maker, action="leave", content={}, txn_id=None, new_room=False, prev_event_ids=None, depth=None
        )
        await self._synapse.forget(maker.to_string(), invitation.arguments["room_id"])
