"""The login type ``de.hek.login.private_key_jwt``: practices, service accounts and administrators sign in by key."""

from __future__ import annotations

import json
import logging
from typing import Any

from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.clock import present
from messenger_core.service_auth.assertions import ASSERTION_LIFETIME, StatementRefused, verify_statement
from messenger_core.service_auth.keys import parse_jwks
from messenger_core.service_auth.token_grant import Client
from synapse_modules.rules.membership import AccountState
from synapse_modules.settings import Configuration
from synapse_modules.store.accounts import Account, Accounts
from synapse_modules.store.used_assertions import UsedAssertions

logger = logging.getLogger(__name__)

_POLL_S = 0.2
_MOST_POLLS = 50


class KeySignIn:
    """Checks an assertion against the keys of the account that it is for."""

    def __init__(
        self, api: ModuleApi, configuration: Configuration, accounts: Accounts, used_assertions: UsedAssertions
    ) -> None:
        self._api = api
        self._configuration = configuration
        self._accounts = accounts
        self._used_assertions = used_assertions
        self._client_of = {account.localpart: account.client_id for account in configuration.settings.accounts}

    async def check(self, username: str, _login_type: str, login: dict[str, Any]) -> tuple[str, None] | None:
        """Called at a sign-in of this type; None refuses it."""
        user_id = username if username.startswith("@") else self._api.get_qualified_user_id(username)
        account = await self._live_account(user_id)
        client = self._client(account) if account is not None else None
        assertion = login.get("assertion")
        if account is None or client is None or not isinstance(assertion, str):
            return None
        try:
            statement = verify_statement(
                assertion,
                client.keys,
                issuer=client.client_id,
                audience=self._configuration.settings.login_endpoint,
                now=present(),
                max_lifetime=ASSERTION_LIFETIME,
            )
        except StatementRefused as refusal:
            logger.info("sign-in by key refused: %s", refusal)
            return None
        if statement.subject != client.client_id:
            return None
        fresh = await self._used_assertions.use_once(
            client.client_id, statement.statement_id, statement.expires_at, present()
        )
        # The key may have been taken away meanwhile: what ended its sessions would not see the one that begins now.
        return (user_id, None) if fresh and await self._has_still(account) else None

    async def _has_still(self, account: Account) -> bool:
        now_known = await self._accounts.find(account.user_id)
        return now_known is not None and now_known.jwks == account.jwks

    async def _live_account(self, user_id: str) -> Account | None:
        """The account if it is live; one of the settings is waited for while it is made, right after the start."""
        localpart = user_id[1:].partition(":")[0]
        for _ in range(_MOST_POLLS):
            account = await self._accounts.find(user_id)
            if account is not None and account.state is not AccountState.PENDING:
                return account if account.state is AccountState.LIVE else None
            if localpart not in self._client_of:
                return None
            await self._api.sleep(_POLL_S)
        return None

    def _client(self, account: Account) -> Client | None:
        if account.kind is AccountKind.PRACTICE and account.telematik_id and account.jwks:
            return Client(account.telematik_id, parse_jwks(json.loads(account.jwks)), frozenset())
        if account.kind in {AccountKind.SERVICE, AccountKind.ADMIN}:
            client_id = self._client_of.get(account.user_id[1:].partition(":")[0], "")
            return self._configuration.clients.get(client_id)
        return None
