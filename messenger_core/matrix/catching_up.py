"""Knows how far the sync loop has come, for those who must not go on before it."""

from __future__ import annotations

import asyncio


class CatchingUp:
    """Counts the answers of the homeserver that were asked for and written down."""

    def __init__(self) -> None:
        self._news = asyncio.Condition()
        self._begun = 0
        self._ended = 0

    def begin(self) -> int:
        """A sync is asked for; its number."""
        self._begun += 1
        return self._begun

    async def end(self, number: int) -> None:
        """Its answer is written down."""
        async with self._news:
            self._ended = number
            self._news.notify_all()

    async def from_now(self) -> None:
        """Waits until everything is written down that the homeserver had when this was called."""
        asked = self._begun
        async with self._news:
            await self._news.wait_for(lambda: self._ended > asked)

    async def once(self) -> None:
        """Waits until the first answer since the start is written down."""
        async with self._news:
            await self._news.wait_for(lambda: self._ended > 0)
