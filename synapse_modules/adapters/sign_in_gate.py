"""Keeps every way in closed but the one that belongs to an account's kind."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

from synapse.api.errors import Codes, SynapseError
from synapse.module_api import NOT_SPAM

from messenger_core.catalogue import Catalogue
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.ways_in import SignInProviders, may_sign_in
from synapse_modules.store.accounts import Accounts


class SignInGate:
    """Judges every new device, and tokens that somebody would have for somebody else's account."""

    def __init__(self, accounts: Accounts, providers: SignInProviders, texts: Catalogue) -> None:
        self._accounts = accounts
        self._providers = providers
        self._texts = texts

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

    async def give_token(self, call: Call) -> Any:
        """An access token is given; no callback sees an administrator's call for one of somebody else's account.

        Raises:
            SynapseError: if it is for somebody else.
        """
        if call.arguments["puppets_user_id"] is not None:
            raise SynapseError(403, self._texts.line("nobody-signs-in-as-somebody"), Codes.FORBIDDEN)
        return await call.go_on()
