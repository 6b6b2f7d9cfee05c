"""Waits before something is tried again: longer after each failure in a row."""

from __future__ import annotations

import asyncio

from messenger_core.backoff import Backoff


class Retries:
    """Failures in a row of one piece of work, and the waits between them."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._failures = 0

    async def wait(self) -> None:
        """Waits once; the next wait is longer."""
        self._failures += 1
        await asyncio.sleep(self._backoff.wait_s(self._failures))

    def succeeded(self) -> None:
        """The next wait is the first again."""
        self._failures = 0
