"""Synapse's profiles and presence: a locked account has none to be seen, and its own member events say so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from synapse.api.errors import Codes, SynapseError
from synapse.api.presence import UserPresenceState
from synapse.federation.federation_server import FederationHandlerRegistry
from synapse.handlers.presence import BasePresenceHandler
from synapse.handlers.profile import ProfileHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.server import HomeServer
from synapse.types import UserID, create_requester

from synapse_modules.adapters.synapse_private.accounts import PrivateAccounts
from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.federated_requests import no_common_room
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(BasePresenceHandler, "current_state_for_users", ("user_ids",)),
    Feature(FederationHandlerRegistry, "on_query", ("query_type", "args")),
    Feature(ProfileHandler, "check_profile_query_allowed", ("target_user", "requester")),
    Feature(ProfileHandler, "get_displayname", ("target_user",)),
    Feature(
        RoomMemberHandler,
        "update_membership",
        ("requester", "target", "room_id", "action", "ratelimit", "require_consent"),
    ),
)


class LockedProfiles:
    """Closes the profiles of locked accounts; a member event takes its name from ``get_displayname`` alone."""

    def __init__(self, hs: HomeServer, accounts: PrivateAccounts) -> None:
        self._hs = hs
        self._accounts = accounts

    def close(self, marked: Callable[[str | None], str]) -> None:
        """Puts the lock in front of profiles, of presence, and of the name in every new member event.

        Args:
            marked: the name that a locked account bears in its rooms.
        """
        profiles = self._hs.get_profile_handler()

        async def name(call: Call) -> str | None:
            plain: str | None = await call.go_on()
            return marked(plain) if await self._accounts.is_locked(call.arguments["target_user"].to_string()) else plain

        put_in_front(profiles, "check_profile_query_allowed", self._see)
        put_in_front(profiles, "get_displayname", name)
        # The registry has kept Synapse's own answer since before anything could stand in front of it.
        put_in_front(self._hs.get_federation_registry(), "on_query", self._see_from_elsewhere)
        put_in_front(self._hs.get_presence_handler(), "current_state_for_users", self._presence)

    async def _see(self, call: Call) -> None:
        if await self._accounts.is_locked(call.arguments["target_user"].to_string()):
            # What Synapse says of somebody who is out of reach.
            raise SynapseError(403, "Profile isn't available", Codes.FORBIDDEN)
        await call.go_on()

    async def _see_from_elsewhere(self, call: Call) -> Any:
        asked = call.arguments["args"].get("user_id", "")
        if call.arguments["query_type"] == "profile" and await self._accounts.is_locked(asked):
            raise no_common_room()
        return await call.go_on()

    async def _presence(self, call: Call) -> dict[str, UserPresenceState]:
        states: dict[str, UserPresenceState] = await call.go_on()
        return {
            user_id: UserPresenceState.default(user_id) if await self._accounts.is_locked(user_id) else state
            for user_id, state in states.items()
        }

    async def renew_member_event(self, user_id: str, room_id: str) -> None:
        """Writes the name of a member as it is now into a room; writes nothing if it stands there already."""
        user = UserID.from_string(user_id)
        await self._hs.get_room_member_handler().update_membership(
            create_requester(user, authenticated_entity=self._hs.hostname),
            user,
            room_id,
            "join",
            ratelimit=False,
            require_consent=False,
        )
