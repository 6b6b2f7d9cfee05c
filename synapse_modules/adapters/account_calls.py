"""Calls about accounts: who somebody is, what changed, a person's period."""

from __future__ import annotations

import time
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from synapse.module_api import ModuleApi

from messenger_core.account_kinds import AccountKind
from messenger_core.problem import Problem, WireModel, parse_body
from synapse_modules.adapters.machine_http import MachineRequest, Route
from synapse_modules.adapters.wire_names import WireUserId
from synapse_modules.rules.kvnr_vault import KvnrVault
from synapse_modules.rules.membership import AccountState
from synapse_modules.store.accounts import Account, Accounts
from synapse_modules.store.changes import Changes
from synapse_modules.store.memberships import Memberships

_LOOK_AGAIN_S = 0.25
# Insured people are spread over bots by shard; there is one bot.
_ONLY_SHARD = 0


class _Lookup(WireModel):
    user_id: WireUserId


class _Retention(WireModel):
    user_id: WireUserId
    months: Annotated[int, Field(ge=1, le=120)] | None


class _Since(BaseModel):
    model_config = ConfigDict(extra="forbid")

    since: int = Field(default=0, ge=0, le=2**53)
    wait: int = Field(default=0, ge=0, le=30)


class AccountCalls:
    """What bot and retention ask."""

    def __init__(
        self, api: ModuleApi, *, accounts: Accounts, memberships: Memberships, changes: Changes, vault: KvnrVault
    ) -> None:
        self._api = api
        self._memberships = memberships
        self._accounts = accounts
        self._changes = changes
        self._vault = vault

    def routes(self) -> list[Route]:
        """The calls."""
        return [
            Route("POST", "/v1/insured/lookup", "insured:read", self.lookup),
            Route("PUT", "/v1/insured/retention", "retention:act", self.set_retention),
            Route("GET", "/v1/changes", "account:events", self.changes),
        ]

    async def lookup(self, request: MachineRequest) -> dict[str, Any]:
        """Who an account is."""
        user_id = parse_body(_Lookup, request.body).user_id
        account = await self._accounts.find(user_id)
        if account is None or account.state is AccountState.PENDING:
            raise unknown_account()
        is_insured = account.kind is AccountKind.INSURED
        return {
            "user_id": user_id,
            "kind": account.kind.value,
            "display_name": account.display_name,
            "kvnr": self._vault.open(account.kvnr_sealed, user_id) if is_insured and account.kvnr_sealed else None,
            "shard": _ONLY_SHARD,
            "locked": account.state is not AccountState.LIVE,
            "retention_months": account.retention_months if is_insured else None,
            "membership_ends_on": await self._membership_ends_on(account),
        }

    async def _membership_ends_on(self, account: Account) -> str | None:
        if account.kvnr_hash is None:
            return None
        ends_on = (await self._memberships.known(account.kvnr_hash)).membership.ends_on
        return ends_on.isoformat() if ends_on else None

    async def set_retention(self, request: MachineRequest) -> dict[str, Any]:
        """Writes down after how many months a person is offered to leave old chats."""
        wanted = parse_body(_Retention, request.body)
        if not await self._accounts.set_retention(wanted.user_id, wanted.months):
            raise unknown_account()
        return {"user_id": wanted.user_id, "months": wanted.months}

    async def changes(self, request: MachineRequest) -> dict[str, Any]:
        """What happened after a version; waits for the first change if there is none yet."""
        asked = request.read_query(_Since)
        deadline = time.monotonic() + asked.wait
        while not (found := await self._changes.since(asked.since)) and time.monotonic() < deadline:
            await self._api.sleep(_LOOK_AGAIN_S)
        return {
            "changes": [change.as_wire() for change in found],
            "next": found[-1].version if found else asked.since,
        }


def unknown_account() -> Problem:
    """The answer about somebody who is not there."""
    return Problem(404, "unknown-account", "There is no such account of the kind that this call is about.")
