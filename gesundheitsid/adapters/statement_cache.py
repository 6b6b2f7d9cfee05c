"""What was fetched and verified, until it expires: fetched once for all who wait, never more than so many."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from cachetools import LRUCache

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class _Entry(Generic[_Value]):
    value: _Value
    fetched_at: float
    expires_at: float


class StatementCache(Generic[_Value]):
    """A cache of one kind of statement, by address. Failures are told to all who wait, and not kept."""

    def __init__(self, most: int) -> None:
        self._entries: LRUCache[str, _Entry[_Value]] = LRUCache(most)
        self._loading: dict[str, asyncio.Task[_Value]] = {}

    async def get(
        self,
        address: str,
        load: Callable[[], Awaitable[tuple[_Value, float]]],
        now: datetime,
        *,
        newer_than: float | None = None,
    ) -> _Value:
        """The value at an address.

        Args:
            address: what it is kept under.
            load: fetches the value and says when it expires (seconds since 1970).
            now: the present moment.
            newer_than: what was fetched at or before this moment does not suffice.
        """
        entry = self._entries.get(address)
        new_enough = entry is not None and (newer_than is None or entry.fetched_at > newer_than)
        if entry is not None and new_enough and now.timestamp() < entry.expires_at:
            return entry.value
        task = self._loading.get(address)
        if task is None:
            task = asyncio.create_task(self._load(address, load, now))
            self._loading[address] = task
            task.add_done_callback(lambda _: self._loading.pop(address, None))
        # Whoever gives up does not take the answer away from the others.
        return await asyncio.shield(task)

    async def _load(self, address: str, load: Callable[[], Awaitable[tuple[_Value, float]]], now: datetime) -> _Value:
        value, expires_at = await load()
        self._entries[address] = _Entry(value, now.timestamp(), expires_at)
        return value
