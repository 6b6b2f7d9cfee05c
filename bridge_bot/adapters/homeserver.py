"""Client of the homeserver's machine interface: who an account is, and what changed. See docs/contracts.md."""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, ValidationError

from messenger_core.account_kinds import AccountKind
from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed, ServiceClient


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the homeserver."""

    kind: AccountKind
    display_name: str
    locked: bool


class Change(BaseModel):
    """A change of an account."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    user_id: str
    kind: str
    what: str


class _Lookup(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    kind: AccountKind
    display_name: str | None
    locked: bool


class _Changes(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    changes: list[Change]
    next: int


class Homeserver:
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

    async def changes(self, since: int, wait_s: int) -> tuple[list[Change], int]:
        """The changes after ``since`` and the position behind them; waits up to ``wait_s`` seconds for the first.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        body = await self._client.call(
            "GET", f"{CALLS_PREFIX}/changes", scope="account:events", query={"since": since, "wait": wait_s}
        )
        try:
            found = _Changes.model_validate(body)
        except ValidationError:
            raise CallFailed("changes (the answer is not as described)", 200) from None
        return found.changes, found.next
