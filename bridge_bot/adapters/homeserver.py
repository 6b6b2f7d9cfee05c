"""Client of the homeserver's machine interface: who an account is, and what changed. See docs/contracts.md."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, ValidationError

from bridge_bot.use_cases.homeserver import Account
from messenger_core.account_changes import AccountChange, ask_for_changes
from messenger_core.account_kinds import AccountKind
from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed, ServiceClient


class _Lookup(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: AccountKind
    display_name: str | None
    locked: bool


class HomeserverClient:
    """What the bot asks the homeserver."""

    def __init__(self, client: ServiceClient) -> None:
        self._client = client

    async def account(self, user_id: str) -> Account | None:
        """Who an account is; None if there is no such account.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        status, body = await self._client.answer(
            "POST", f"{CALLS_PREFIX}/insured/lookup", scope="insured:read", body={"user_id": user_id}
        )
        problem = str(body.get("type", "")) if isinstance(body, dict) else ""
        if status == 404 and problem.endswith(":unknown-account"):
            return None
        if status != 200:
            raise CallFailed("insured/lookup", status, problem or None)
        try:
            found = _Lookup.model_validate(body)
        except ValidationError:
            raise CallFailed("insured/lookup (the answer is not as described)", status) from None
        return Account(found.kind, found.display_name or "", found.locked)

    async def changes(self, since: int, wait_s: int) -> tuple[list[AccountChange], int]:
        """The changes after ``since`` and the position behind them; waits up to ``wait_s`` seconds for the first.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        return await ask_for_changes(self._client, since, wait_s)
