"""Synapse's memberships: a judge in front of every change, whoever asks for it, and forgetting rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from synapse.api.errors import SynapseError
from synapse.handlers.room import RoomCreationHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.server import HomeServer
from synapse.types import UserID

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(RoomMemberHandler, "forget", ("user", "room_id")),
    Feature(
        RoomMemberHandler,
        "update_membership_locked",
        (
            "requester",
            "target",
            "room_id",
            "action",
            "content",
            "third_party_signed",
            "new_room",
            "txn_id",
            "prev_event_ids",
            "depth",
        ),
    ),
    Feature(RoomMemberHandler, "do_3pid_invite", ("room_id", "inviter", "medium", "address")),
    Feature(RoomCreationHandler, "upgrade_room", ("requester", "old_room_id")),
)


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


class MembershipJudge(Protocol):
    """What is asked before a membership changes."""

    async def judge(self, change: MembershipChange) -> dict[str, Any]:
        """What of the content is kept.

        Raises:
            SynapseError: if the change is refused.
        """
        ...

    async def is_made(self, change: MembershipChange) -> None:
        """Told when the last step of making a room is done, or the room is ended again."""
        ...

    async def taken_back_with(self, change: MembershipChange) -> list[str]:
        """Whose pending invitations are taken back before the change."""
        ...

    def in_our_words(self, fault: SynapseError) -> SynapseError:
        """What somebody is told whom Synapse refuses what the judge lets pass; its own texts name ids, in English."""
        ...

    def refused_address(self) -> SynapseError:
        """What somebody is told who invites a mail address or telephone number."""
        ...

    def refused_upgrade(self) -> SynapseError:
        """What somebody is told who replaces a room by one of another version."""
        ...


async def _told(change: Awaitable[Any], judge: MembershipJudge) -> Any:
    try:
        return await change
    except SynapseError as fault:
        raise judge.in_our_words(fault) from None


class PrivateMemberships:
    """What the public module API cannot do with memberships."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    async def forget(self, user_id: str, room_id: str) -> None:
        """Forgets a room that the user has left."""
        await self._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)

    async def _take_out_maker(self, invitation: Call) -> None:
        """Ends a room whose one invitation failed: nobody is in it, and nobody's client shows it."""
        maker = invitation.arguments["requester"].user
        await invitation.go_on(
            target=maker, action="leave", content={}, txn_id=None, new_room=False, prev_event_ids=None, depth=None
        )
        await self.forget(maker.to_string(), invitation.arguments["room_id"])

    def ask_first(self, judge: MembershipJudge) -> None:
        """Puts a judge in front of every change of a membership by somebody of this server.

        The callbacks that Synapse has for this are not called for administrators and server notices, see no reason of
        an invitation, and not one of them is called for a knock or a removal.
        """

        async def change(call: Call) -> Any:
            asked = call.arguments
            wanted = MembershipChange(
                sender=asked["requester"].user.to_string(),
                target=asked["target"].to_string(),
                room_id=asked["room_id"],
                action=asked["action"],
                content=asked["content"] or {},
                by_address=asked["third_party_signed"] is not None,
                is_new_room=asked["new_room"],
            )
            content = await judge.judge(wanted)
            for user_id in await judge.taken_back_with(wanted):
                try:
                    await call.go_on(target=UserID.from_string(user_id), action="kick", content={}, txn_id=None)
                except SynapseError:
                    # Not in the leaver's power; the leaving itself is never held up.
                    continue
            if not wanted.is_new_room or wanted.action != "invite":
                return await _told(call.go_on(content=content), judge)
            try:
                result = await call.go_on(content=content)
            except Exception:
                await self._take_out_maker(call)
                await judge.is_made(wanted)
                raise
            await judge.is_made(wanted)
            return result

        async def refuse_address(_call: Call) -> Any:
            raise judge.refused_address()

        async def refuse_upgrade(_call: Call) -> Any:
            raise judge.refused_upgrade()

        members = self._hs.get_room_member_handler()
        put_in_front(members, "update_membership_locked", change)
        put_in_front(members, "do_3pid_invite", refuse_address)
        put_in_front(self._hs.get_room_creation_handler(), "upgrade_room", refuse_upgrade)
