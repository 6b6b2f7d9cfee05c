"""Lets Synapse register only accounts that were written down before, and makes them live."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from synapse.module_api import ModuleApi
from synapse.spam_checker_api import RegistrationBehaviour

from messenger_core.clock import present_ms
from synapse_modules.store.accounts import Accounts


class RegistrationGate:
    """The one gate that every way of registering passes."""

    def __init__(self, api: ModuleApi, accounts: Accounts) -> None:
        self._api = api
        self._accounts = accounts

    async def check_registration_for_spam(
        self,
        _email: dict[str, Any] | None,
        username: str | None,
        _request_info: Collection[tuple[str, str]],
        _auth_provider_id: str | None = None,
    ) -> RegistrationBehaviour:
        """Called before an account is registered, by whatever way."""
        if username and await self._accounts.is_reserved(self._api.get_qualified_user_id(username)):
            return RegistrationBehaviour.ALLOW
        return RegistrationBehaviour.DENY

    async def on_user_registration(self, user_id: str) -> None:
        """Called when an account is registered."""
        await self._accounts.make_live(user_id, at=present_ms())
