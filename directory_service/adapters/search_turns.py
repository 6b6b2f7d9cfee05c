"""Long searches take turns: each goes on for some milliseconds, few at a time, one of each account."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.finding import Steps

_TURN_S = 0.002
"""How long one goes on before others get their turn."""
_AT_ONCE = 2
_WAITING = 32


class SearchRunning(Exception):  # noqa: N818 - reads as what happened
    """A long search of the same account is not finished yet."""


class TooManySearches(Exception):  # noqa: N818 - reads as what happened
    """Too many long searches wait already."""


class SearchTurns:
    """Carries out searches that look at many practices, beside everything else that the process answers.

    Such a search costs seconds of processor time in a large directory. Only so many go on at once that others are
    answered in between, and nobody has two.
    """

    def __init__(self, at_once: int = _AT_ONCE, waiting: int = _WAITING) -> None:
        self._places = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._accounts: set[str] = set()

    @property
    def running(self) -> int:
        """How many go on or wait."""
        return len(self._accounts)

    async def finish(self, steps: Steps, account: str) -> Page:
        """Takes all steps of a search.

        Args:
            steps: the search.
            account: whose search it is.

        Raises:
            SearchRunning: if another one of the account's is not finished.
            TooManySearches: if too many wait already.
            FaultyParameter: what the search itself raises.
        """
        async with self._turn_of(account):
            while True:
                ends_at = time.perf_counter() + _TURN_S
                try:
                    while time.perf_counter() < ends_at:
                        next(steps)
                except StopIteration as end:
                    page = end.value
                    assert isinstance(page, Page)
                    return page
                await asyncio.sleep(0)

    @asynccontextmanager
    async def _turn_of(self, account: str) -> AsyncIterator[None]:
        if account in self._accounts:
            raise SearchRunning
        if len(self._accounts) >= self._most:
            raise TooManySearches
        self._accounts.add(account)
        try:
            async with self._places:
                yield
        finally:
            self._accounts.discard(account)
