"""Tells those who wait for a message to be taken that it was, wherever the news comes from."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class Acknowledgements:
    """Who waits for which row of the outbox."""

    def __init__(self) -> None:
        self._waiting: defaultdict[int, set[asyncio.Event]] = defaultdict(set)

    def ended(self, rows: Iterable[int]) -> None:
        """Says that rows are taken or refused."""
        for row in rows:
            for event in self._waiting.get(row, ()):
                event.set()

    @contextmanager
    def of(self, row: int) -> Iterator[asyncio.Event]:
        """An event that is set when the row ends; ask only then how the row is, so that nothing is missed."""
        event = asyncio.Event()
        self._waiting[row].add(event)
        try:
            yield event
        finally:
            self._waiting[row].discard(event)
            if not self._waiting[row]:
                del self._waiting[row]
