"""What the messenger asks its homeserver beside Matrix; the adapter of the same name asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from messenger_core.account_changes import ChangeSource
from messenger_core.account_kinds import AccountKind


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the homeserver."""

    kind: AccountKind
    display_name: str
    locked: bool


class Homeserver(ChangeSource, Protocol):
    """The homeserver's interface for machines."""

    async def account(self, user_id: str) -> Account | None:
        """Who an account is; None if there is no such account.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        ...
