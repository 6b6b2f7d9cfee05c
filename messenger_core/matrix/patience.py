"""How long to wait before something is tried again."""

from __future__ import annotations

import asyncio


class Patience:
    """Pauses that double up to a longest one."""

    def __init__(self, first_s: float = 1.0, longest_s: float = 60.0) -> None:
        self._first_s, self._longest_s = first_s, longest_s
        self._pause_s = first_s

    async def wait(self) -> None:
        """Waits; longer the next time."""
        pause, self._pause_s = self._pause_s, min(self._pause_s * 2, self._longest_s)
        await asyncio.sleep(pause)

    def reset(self) -> None:
        """Begins again with the shortest pause: something went well."""
        self._pause_s = self._first_s
