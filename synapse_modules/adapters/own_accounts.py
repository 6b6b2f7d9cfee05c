"""Makes the service and administrator accounts of the settings when the homeserver starts."""

from __future__ import annotations

from synapse.module_api import ModuleApi, UserID

from messenger_core.account_kinds import AccountKind
from synapse_modules.adapters.present import now_ms
from synapse_modules.settings import AccountSettings, ModuleSettings
from synapse_modules.store.accounts import Account, Accounts, AccountState


class OwnAccounts:
    """The accounts of the settings; made anew or brought in line at every start."""

    def __init__(self, api: ModuleApi, settings: ModuleSettings, accounts: Accounts) -> None:
        self._api = api
        self._settings = settings
        self._accounts = accounts

    async def make(self) -> None:
        """Makes what is missing and brings kind, name and rights in line with the settings."""
        for wanted in self._settings.accounts:
            await self._make_one(wanted, self._settings.account_kind(wanted))

    async def _make_one(self, wanted: AccountSettings, kind: AccountKind) -> None:
        user_id = self._api.get_qualified_user_id(wanted.localpart)
        is_admin = kind is AccountKind.ADMIN
        reserved = await self._accounts.reserve(
            Account(user_id, kind, AccountState.PENDING, wanted.display_name), unique="user_id", at=now_ms()
        )
        if await self._api.check_user_exists(user_id) is None:
            await self._api.register_user(wanted.localpart, wanted.display_name, admin=is_admin)
        await self._accounts.make_live(user_id, at=now_ms())
        if reserved.kind is not kind:
            await self._accounts.set_kind(user_id, kind)
        if await self._api.is_user_admin(user_id) != is_admin:
            await self._api.set_user_admin(user_id, is_admin)
        if reserved.display_name != wanted.display_name:
            await rename(self._api, self._accounts, user_id, wanted.display_name)


async def rename(api: ModuleApi, accounts: Accounts, user_id: str, display_name: str) -> None:
    """Gives an account its verified name: in Synapse first, so that an interrupted call is done again."""
    await api.set_displayname(UserID.from_string(user_id), display_name)
    await accounts.describe(user_id, display_name=display_name)
