"""Registers accounts in Synapse that were written down before, and names them."""

from __future__ import annotations

from synapse.api.errors import SynapseError
from synapse.module_api import ModuleApi, UserID

from messenger_core.clock import present_ms
from synapse_modules.store.accounts import Account, Accounts


class AccountMaker:
    """Every step may be repeated, and done by two callers at once."""

    def __init__(self, api: ModuleApi, accounts: Accounts) -> None:
        self._api = api
        self._accounts = accounts

    async def make(self, wanted: Account, *, unique: str, admin: bool = False) -> Account:
        """Makes an account unless it is there.

        Args:
            wanted: what it will be.
            unique: the column that tells whether it is there, see ``Accounts.reserve``.
            admin: whether it administers Synapse.

        Returns:
            What was written down of it before this call.
        """
        reserved = await self._accounts.reserve(wanted, unique=unique)
        if not await self._accounts.is_registered(reserved.user_id):
            localpart = reserved.user_id[1:].partition(":")[0]
            try:
                await self._api.register_user(localpart, reserved.display_name, admin=admin)
            except SynapseError:
                # Another call was faster: then the account is there now.
                if not await self._accounts.is_registered(reserved.user_id):
                    raise
        await self._accounts.make_live(reserved.user_id, at=present_ms())
        return reserved

    async def rename(self, user_id: str, display_name: str) -> None:
        """Gives an account its verified name: in Synapse first, so that an interrupted call is done again."""
        await self._api.set_displayname(UserID.from_string(user_id), display_name)
        await self._accounts.describe(user_id, display_name=display_name)
