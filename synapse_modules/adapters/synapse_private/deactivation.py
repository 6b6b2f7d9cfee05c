"""Synapse's deactivation of an account: what it removes, in steps that may each be repeated."""

from __future__ import annotations

from synapse.handlers.deactivate_account import DeactivateAccountHandler
from synapse.handlers.room_member import RoomMemberHandler
from synapse.server import HomeServer
from synapse.storage.databases.main.profile import ProfileWorkerStore
from synapse.storage.databases.main.registration import RegistrationWorkerStore
from synapse.types import UserID, create_requester

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (
    Feature(DeactivateAccountHandler, "deactivate_account", ("user_id", "erase_data", "requester", "by_admin")),
    Feature(ProfileWorkerStore, "delete_profile", ("user_id",)),
    Feature(RegistrationWorkerStore, "get_external_ids_by_user", ("mxid",)),
    Feature(RegistrationWorkerStore, "remove_user_external_id", ("auth_provider", "external_id", "user_id")),
    Feature(RoomMemberHandler, "forget", ("user", "room_id")),
    Feature(RoomMemberHandler, "update_membership", ("requester", "target", "room_id", "action")),
)


class PrivateDeactivation:
    """What the public module API cannot do with an account that is given up."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._store = hs.get_datastores().main

    async def cut_off_sign_in(self, user_id: str) -> None:
        """Takes the account away from whoever signs in as its person: the next sign-in makes another one."""
        for provider, external_id in await self._store.get_external_ids_by_user(user_id):
            await self._store.remove_user_external_id(provider, external_id, user_id)

    async def leave(self, user_id: str, room_id: str) -> None:
        """Leaves a room, or declines its invitation."""
        user = UserID.from_string(user_id)
        await self._hs.get_room_member_handler().update_membership(
            create_requester(user, authenticated_entity=self._hs.hostname),
            user,
            room_id,
            "leave",
            ratelimit=False,
            require_consent=False,
        )

    async def forget(self, user_id: str, room_id: str) -> None:
        """Takes a room that was left out of the account's history."""
        await self._hs.get_room_member_handler().forget(UserID.from_string(user_id), room_id)

    async def deactivate(self, user_id: str) -> None:
        """Removes devices, tokens, pushers, account data, key backup, and what was to be sent later.

        Synapse is not told to erase: that would take the person's name out of her practice's chat, and her messages
        away from whoever of the practice joins later.
        """
        requester = create_requester(user_id, authenticated_entity=self._hs.hostname)
        await self._hs.get_deactivate_account_handler().deactivate_account(
            user_id, erase_data=False, requester=requester, by_admin=True
        )

    async def delete_profile(self, user_id: str) -> None:
        """Removes name and picture from the server; those of the rooms' member events stay with the rooms."""
        await self._store.delete_profile(UserID.from_string(user_id))
