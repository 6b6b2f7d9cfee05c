"""Keeps every way in closed but the one that belongs to an account's kind."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from synapse.api.errors import Codes
from synapse.module_api import NOT_SPAM, ModuleApi

from synapse_modules.rules.ways_in import SignInProviders, may_sign_in
from synapse_modules.store.accounts import Accounts


class WaysIn:
    """Judges every new device."""

    def __init__(self, api: ModuleApi, accounts: Accounts, providers: SignInProviders) -> None:
        self._accounts = accounts
        self._providers = providers
        api.register_spam_checker_callbacks(check_login_for_spam=self.check_login_for_spam)

    async def check_login_for_spam(
        self,
        user_id: str,
        _device_id: str | None,
        _device_name: str | None,
        _request_info: Collection[tuple[str | None, str]],
        auth_provider_id: str | None = None,
    ) -> Literal["NOT_SPAM"] | Codes:
        """Called at every sign-in of every type, when Synapse is satisfied and before there is a device."""
        parties = await self._accounts.parties([user_id])
        return NOT_SPAM if may_sign_in(parties[user_id], auth_provider_id, self._providers) else Codes.FORBIDDEN
