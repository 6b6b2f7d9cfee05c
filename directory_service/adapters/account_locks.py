"""Which accounts the homeserver has locked: who is no longer insured does not search, whatever token is left.

Locks are learnt from the homeserver's changes of accounts and kept in memory alone.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from pydantic import BaseModel, ValidationError

from messenger_core.account_kinds import AccountKind
from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed, ServiceClient

logger = logging.getLogger(__name__)

_WAIT_S = 25
_FIRST_PAUSE_S = 0.5
_PAUSE_S = 5.0
# Until the locks are known nobody searches; both may start together, and the homeserver takes longer.
_FAILURES_AT_START, _FAILURES_LATER = 60, 1
_PATH = f"{CALLS_PREFIX}/changes"


# Agents and services of the insurer, and administrators: few enough to be remembered by name.
_HOUSE = frozenset({AccountKind.AGENT.value, AccountKind.SERVICE.value, AccountKind.ADMIN.value})


_LOCKING = frozenset({"locked", "deactivated"})


class _Change(BaseModel):
    user_id: str
    kind: str
    what: str


class _Changes(BaseModel):
    changes: list[_Change]
    next: int


class AccountLocks:
    """Follows the homeserver's changes of accounts from their beginning."""

    def __init__(
        self,
        homeserver: ServiceClient,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        *,
        end_sessions: Callable[[Sequence[str]], Awaitable[None]],
    ) -> None:
        """Takes the homeserver, what makes a pause, and what ends the sessions of accounts that are locked."""
        self._homeserver = homeserver
        self._end_sessions = end_sessions
        self._sleep = sleep
        self._locked: set[str] = set()
        self._house: set[str] = set()
        self._since = 0
        self._complete = False

    @property
    def known(self) -> bool:
        """Whether all changes until now were read once; before that nobody can be taken for not locked."""
        return self._complete

    def is_locked(self, user_id: str) -> bool:
        """Whether an account is locked, as far as is known."""
        return user_id in self._locked

    def is_of_the_house(self, user_id: str) -> bool:
        """Whether an account is the insurer's own, as far as is known; neither a patient nor a practice."""
        return user_id in self._house

    async def follow(self) -> None:
        """Follows until it is cancelled. A task that begins it anew goes on where it was."""
        failures = 0
        while True:
            try:
                # Without waiting at first: an empty answer says that nothing was missed.
                await self.follow_once(_WAIT_S if self._complete else 0)
                failures = 0
            except CallFailed as fault:
                failures += 1
                is_outage = failures > (_FAILURES_LATER if self._complete else _FAILURES_AT_START)
                if is_outage:
                    logger.warning("locked accounts cannot be followed: %s", fault)
                await self._sleep(_PAUSE_S if is_outage else _FIRST_PAUSE_S)

    async def follow_once(self, wait_s: int) -> None:
        """Asks once and takes what came.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        query = {"since": self._since, "wait": wait_s}
        body = await self._homeserver.call("GET", _PATH, scope="account:events", query=query)
        try:
            found = _Changes.model_validate(body)
        except ValidationError:
            raise CallFailed("changes (the answer is not as described)", 200) from None
        locked = {change.user_id for change in found.changes if change.what in _LOCKING}
        # Before the position moves: what fails here is done at the next try.
        await self._end_sessions(sorted(locked))
        for change in found.changes:
            if change.kind in _HOUSE:
                self._house.add(change.user_id)
            if change.what in _LOCKING:
                self._locked.add(change.user_id)
            elif change.what in {"undone", "account-made"}:
                self._locked.discard(change.user_id)
        self._since, self._complete = found.next, self._complete or not found.changes
