"""Tells those who share a room with a locked person that nobody reads, and takes it back when she is unlocked."""

from __future__ import annotations

import logging
from typing import Protocol

from messenger_core.log import fault_without_text
from synapse_modules.adapters.present import now_ms
from synapse_modules.store.unreachable_marks import MarkToBring, UnreachableMarks

logger = logging.getLogger(__name__)


class MemberEvents(Protocol):
    """Synapse's member events (``synapse_private.lock_profiles``)."""

    async def renew_member_event(self, user_id: str, room_id: str) -> None:
        """Writes the name of a member as it is now into a room."""
        ...


class MarkBringer:
    """Runs in the main process: when a lock changes, at start, and again for what did not succeed."""

    def __init__(self, marks: UnreachableMarks, member_events: MemberEvents) -> None:
        self._marks = marks
        self._member_events = member_events
        self._is_running = False
        self._is_wanted = False

    async def lock_changed(self, _user_id: str) -> None:
        """Called after an account was locked or unlocked."""
        await self.bring()

    async def bring(self) -> None:
        """Brings all rooms in line with the locks; called again while it runs, it looks once more at the end."""
        self._is_wanted = True
        if self._is_running:
            return
        self._is_running = True
        try:
            while self._is_wanted:
                self._is_wanted = False
                for mark in await self._marks.due():
                    await self._bring_one(mark)
        finally:
            self._is_running = False

    async def _bring_one(self, mark: MarkToBring) -> None:
        if mark.locked:
            await self._marks.begin(mark.user_id)
        for room_id in await self._marks.rooms_to_change(mark):
            try:
                await self._member_events.renew_member_event(mark.user_id, room_id)
            except Exception as fault:  # noqa: BLE001 - a room that refuses keeps no other from being told
                logger.warning("a room was not told of a lock, trying again: %s", fault_without_text(fault))
        # Not what was sent decides, but what the rooms show: a lock may have changed meanwhile.
        if not await self._marks.rooms_to_change(mark):
            await self._marks.finish(mark, at=now_ms())
