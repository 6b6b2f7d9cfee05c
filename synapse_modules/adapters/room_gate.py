"""Synapse's callbacks about rooms: who may make, enter, name and write in them; the rules decide."""

from __future__ import annotations

from typing import Any, Literal

from synapse.api.errors import Codes
from synapse.module_api import NOT_SPAM, EventBase, ModuleApi, Requester, RoomAlias, UserProfile

from messenger_core.account_kinds import AccountKind
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.present import now_ms
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.room_register import RoomRegister
from synapse_modules.rules import reach
from synapse_modules.rules.reach import House, Refusal, RoomPlan
from synapse_modules.rules.room_form import MARKER, FormRefused, read_wish, room_request
from synapse_modules.store.reachability import Reachability
from synapse_modules.store.rooms import Rooms

Verdict = Literal["NOT_SPAM"] | Codes
_MS_PER_MINUTE = 60_000


class RoomGate:
    """Registers the narrow callbacks; ``check_event_allowed`` is not among them (docs/decisions/0007)."""

    def __init__(
        self,
        api: ModuleApi,
        *,
        house: House,
        rooms: Rooms,
        register: RoomRegister,
        reachability: Reachability,
        parties: Parties,
        permissions: Permissions,
        refusals: Refusals,
        max_age_minutes: int,
    ) -> None:
        self._house = house
        self._rooms = rooms
        self._register = register
        self._reachability = reachability
        self._max_age_ms = max_age_minutes * _MS_PER_MINUTE
        self._parties = parties
        self._permissions = permissions
        self._refusals = refusals
        api.register_third_party_rules_callbacks(on_create_room=self.on_create_room)
        api.register_spam_checker_callbacks(
            user_may_create_room=self.user_may_create_room,
            user_may_create_room_alias=self.user_may_create_room_alias,
            user_may_publish_room=self.user_may_publish_room,
            user_may_invite=self.user_may_invite,
            user_may_send_3pid_invite=self.user_may_send_3pid_invite,
            user_may_join_room=self.user_may_join_room,
            user_may_send_state_event=self.user_may_send_state_event,
            check_event_for_spam=self.check_event_for_spam,
            check_username_for_spam=self.check_username_for_spam,
        )

    def _judge(self, refusal: Refusal | None) -> Literal["NOT_SPAM"]:
        if refusal is not None:
            raise self._refusals.error(refusal)
        return NOT_SPAM

    async def _reachability_known(self) -> bool:
        return now_ms() - await self._reachability.confirmed_at() <= self._max_age_ms

    async def on_create_room(self, requester: Requester, config: dict[str, Any], _is_admin: bool) -> None:
        """Called before a room is made: refuses it, or rewrites what is asked for.

        Raises:
            SynapseError: with a text in both languages; nothing is half made.
        """
        creator = requester.user.to_string()
        try:
            wish = read_wish(config)
        except FormRefused as refusal:
            raise self._refusals.error(refusal.fault) from None
        parties = await self._parties.of([creator, *wish.invitees])
        plan = reach.plan_room(
            parties[creator],
            [parties[invitee] for invitee in wish.invitees],
            self._house,
            reachability_known=await self._reachability_known(),
            admitted=all([await self._permissions.admits(parties[creator], parties[one]) for one in wish.invitees]),
        )
        if not isinstance(plan, RoomPlan):
            raise self._refusals.error(plan)
        request = room_request(wish, plan, creator, self._house, may_name=reach.may_name_rooms(parties[creator]))
        config.clear()
        config.update(request)

    async def user_may_create_room(self, _user_id: str, config: dict[str, Any]) -> Verdict:
        """Called after ``on_create_room``, and alone when a room is upgraded, which is refused."""
        creation = config.get("creation_content") or {}
        return NOT_SPAM if MARKER in creation and "predecessor" not in creation else Codes.FORBIDDEN

    async def user_may_create_room_alias(self, user_id: str, _alias: RoomAlias) -> Verdict:
        """Only service accounts name rooms."""
        parties = await self._parties.of([user_id])
        return NOT_SPAM if reach.may_name_rooms(parties[user_id]) else Codes.FORBIDDEN

    async def user_may_publish_room(self, _user_id: str, _room_id: str) -> Verdict:
        """No room is ever listed."""
        return Codes.FORBIDDEN

    async def user_may_send_3pid_invite(self, _inviter: str, _medium: str, _address: str, _room_id: str) -> Verdict:
        """Nobody is invited by mail address or telephone number."""
        return Codes.FORBIDDEN

    async def user_may_invite(self, inviter: str, invitee: str, room_id: str) -> Verdict:
        """Called for every invitation, those of a new room included."""
        parties = await self._parties.of([inviter, invitee])
        practices = await self._rooms.present(room_id, AccountKind.PRACTICE, invited=True)
        return self._judge(
            reach.check_invitation(
                parties[inviter],
                parties[invitee],
                await self._register.find(room_id),
                self._house,
                has_practice=any(practice != invitee for practice in practices),
                reachability_known=await self._reachability_known(),
                admitted=await self._permissions.admits(parties[inviter], parties[invitee]),
            )
        )

    async def user_may_join_room(self, user_id: str, room_id: str, is_invited: bool) -> Verdict:
        """Called for every join, also when a member's profile changes."""
        parties = await self._parties.of([user_id])
        is_member = await self._rooms.membership(room_id, user_id) == "join"
        room = await self._register.find(room_id)
        return self._judge(
            reach.check_join(parties[user_id], room, self._house, is_invited=is_invited, is_member=is_member)
        )

    async def user_may_send_state_event(
        self, user_id: str, room_id: str, event_type: str, _state_key: str, content: dict[str, Any]
    ) -> Verdict:
        """Called when a client sends state into a room that is made, with what it wrote."""
        parties = await self._parties.of([user_id])
        return self._judge(reach.check_state(parties[user_id], await self._register.find(room_id), event_type))

    async def check_event_for_spam(self, event: EventBase) -> Verdict:
        """Called for every event of a room that is made; decides on facts of our database only."""
        parties = await self._parties.of([event.sender])
        room = await self._register.find(event.room_id)
        sender = parties[event.sender]
        if event.is_state():
            return self._judge(reach.check_state(sender, room, event.type))
        # Synapse's own kind of mapping compares its keys with nothing.
        return self._judge(reach.check_message(sender, room, event.type, dict(event.content)))

    async def check_username_for_spam(self, profile: UserProfile, requester_id: str) -> bool:
        """Called for every account that Synapse's own search finds; True hides it."""
        found = profile["user_id"]
        parties = await self._parties.of([found, requester_id])
        return reach.is_hidden_from(parties[found], parties[requester_id])
