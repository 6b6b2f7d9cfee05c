"""How rooms come about: a client's request is judged as a whole and carried out in the form that rooms have here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NoReturn

from synapse.api.errors import SynapseError
from synapse.module_api import NOT_SPAM, Requester, RoomAlias

from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.permissions import Permissions
from synapse_modules.adapters.reachability_age import ReachabilityAge
from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules import reach
from synapse_modules.rules.reach import Circumstances, House, Refusal, RoomPlan
from synapse_modules.rules.room_form import FormRefused, read_wish
from synapse_modules.rules.room_request import MARKER, room_request


class RoomGate:
    """New rooms, their names, and the list of rooms.

    Everything about a request is decided before Synapse makes anything, so that a refusal leaves no half-made room.
    """

    def __init__(
        self,
        *,
        house: House,
        parties: Parties,
        permissions: Permissions,
        age: ReachabilityAge,
        refusals: Refusals,
        room_versions: Sequence[str],
    ) -> None:
        self._house = house
        self._parties = parties
        self._permissions = permissions
        self._age = age
        self._refusals = refusals
        self._room_versions = room_versions

    async def on_create_room(self, requester: Requester, config: dict[str, Any], _is_admin: bool) -> None:
        """Called before a room is made, whoever makes it: refuses it, or rewrites what is asked for.

        Raises:
            SynapseError: if it is refused.
        """
        creator = requester.user.to_string()
        try:
            wish = read_wish(config, self._room_versions)
        except FormRefused as refusal:
            raise self._refusals.error(refusal.fault) from None
        parties = await self._parties.of([creator, *wish.invitees])
        invitees = [parties[invitee] for invitee in wish.invitees]
        given = Circumstances(
            reachability_known=self._age.is_known_for(parties[creator], invitees),
            # Nothing of more than one invitee becomes a chat, so that not many need to be asked.
            admitted=len(invitees) != 1 or await self._permissions.admits(parties[creator], invitees[0]),
        )
        plan = reach.plan_room(parties[creator], invitees, self._house, given)
        if not isinstance(plan, RoomPlan):
            raise self._refusals.error(plan)
        request = room_request(wish, plan, creator, self._house, may_name=reach.may_name_rooms(parties[creator]))
        config.clear()
        config.update(request)

    async def user_may_create_room(self, _user_id: str, config: dict[str, Any]) -> Literal["NOT_SPAM"]:
        """Called after ``on_create_room``, which alone writes the mark.

        Raises:
            SynapseError: if the room was not judged.
        """
        if MARKER not in (config.get("creation_content") or {}):
            self._refuse(Refusal.NO_RIGHTS)
        return NOT_SPAM

    async def user_may_create_room_alias(self, user_id: str, _alias: RoomAlias) -> Literal["NOT_SPAM"]:
        """Only service accounts name rooms.

        Raises:
            SynapseError: if it is another account.
        """
        if not reach.may_name_rooms((await self._parties.of([user_id]))[user_id]):
            self._refuse(Refusal.NOT_LISTED)
        return NOT_SPAM

    async def user_may_publish_room(self, _user_id: str, _room_id: str) -> Literal["NOT_SPAM"]:
        """No room is ever listed.

        Raises:
            SynapseError: always.
        """
        self._refuse(Refusal.NOT_LISTED)

    async def refuse_list(self, _call: Call) -> NoReturn:
        """No list of public rooms; Synapse answers with an empty one, gematik's network wants 403 (A_28587, A_28590).

        Raises:
            SynapseError: always.
        """
        self._refuse(Refusal.NOT_LISTED)

    def _refuse(self, refusal: Refusal) -> NoReturn:
        error: SynapseError = self._refusals.error(refusal)
        raise error
