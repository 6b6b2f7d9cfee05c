"""Makes the service and administrator accounts of the settings when the homeserver starts."""

from __future__ import annotations

from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from synapse_modules.adapters.account_maker import AccountMaker
from synapse_modules.rules.membership import AccountState
from synapse_modules.settings import AccountSettings, ModuleSettings
from synapse_modules.store.accounts import Account, Accounts


class OwnAccounts:
    """The accounts of the settings; made anew or brought in line at every start."""

    def __init__(self, api: ModuleApi, settings: ModuleSettings, accounts: Accounts) -> None:
        self._api = api
        self._settings = settings
        self._accounts = accounts
        self._maker = AccountMaker(api, accounts)

    async def make(self) -> None:
        """Makes what is missing and brings kind, name and rights in line with the settings."""
        for wanted in self._settings.accounts:
            await self._make_one(wanted, AccountKind(wanted.kind))

    async def _make_one(self, wanted: AccountSettings, kind: AccountKind) -> None:
        user_id = self._api.get_qualified_user_id(wanted.localpart)
        is_admin = kind is AccountKind.ADMIN
        account = Account(user_id, kind, AccountState.PENDING, wanted.display_name)
        before = await self._maker.make(account, unique="user_id", admin=is_admin)
        if before.kind is not kind:
            await self._accounts.set_kind(user_id, kind)
        if await self._api.is_user_admin(user_id) != is_admin:
            await self._api.set_user_admin(user_id, is_admin)
        if before.display_name != wanted.display_name:
            await self._maker.rename(user_id, wanted.display_name)
