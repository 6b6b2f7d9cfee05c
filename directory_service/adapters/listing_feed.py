"""Keeps the practices that a process holds in memory as they are in the database."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from sqlalchemy.exc import SQLAlchemyError

from directory_service.adapters.account_standings import PracticeRights
from directory_service.adapters.version_watch import VersionWatches
from directory_service.rules.practice import Practice, PracticeState, is_listed
from directory_service.rules.profile_check import ProfileRules
from directory_service.search.held import Held
from directory_service.store.changes import ChangeFeed, VersionUnknown
from directory_service.store.history import Position
from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

_WAIT_S = 30.0
_AFTER_FAULT_S = 1.0


class ListingFeed:
    """Gives every change of a practice to those who hold practices in memory, in the order of the changes.

    Attributes:
        lost: set when the database turns out to have another history than what is held in memory; nothing is followed
            from then on, and what is held is of no use.
    """

    def __init__(self, changes: ChangeFeed, held: Held, rights: PracticeRights, rules: ProfileRules) -> None:
        """``rules`` decide what is shown: what the database has from earlier may be out of today's bounds."""
        self.lost = asyncio.Event()
        self._rules = rules
        self._rights = rights
        self._changes = changes
        self._held = held
        self._position: Position | None = None
        self._turn = asyncio.Lock()

    async def load(self, *, checked: bool) -> list[Practice]:
        """Takes all practices that are listed; to be awaited before anybody searches.

        Args:
            checked: whether all were looked at under these rules before; it takes as long as the rest.

        Returns:
            Those that must not be shown as they are; they are left out.
        """
        self._position = await self._changes.position()
        practices: dict[str, Practice] = {}
        left_out: list[Practice] = []
        async for batch in self._changes.listed():  # one that changes meanwhile may come twice
            for practice in batch:
                if not is_listed(practice):
                    continue  # its profile cannot be read, which is alarmed where that was tried
                if checked or self._may_be_shown(practice):
                    practices[practice.resource_id] = practice
                else:
                    left_out.append(practice)
        self._held.load(practices.values())
        self._rights.load(await self._changes.rights())
        return left_out

    def _may_be_shown(self, practice: Practice) -> bool:
        faults = self._rules.faults(practice.profile)
        if faults:
            places = ", ".join(sorted({fault.place for fault in faults}))
            logger.error("practice %s is not shown, since its entry is out of bounds: %s", practice.resource_id, places)
        return not faults

    async def catch_up(self) -> None:
        """Takes what was committed before the call."""
        async with self._turn:
            more = True
            while more:
                changed = await self._changes.since(self._position)
                for practice in changed.practices:
                    self._rights.put(practice)
                    shown = not is_listed(practice) or self._may_be_shown(practice)
                    self._held.put(practice if shown else replace(practice, state=PracticeState.PAUSED))
                self._position, more = changed.position, changed.more

    async def follow(self, watches: VersionWatches) -> None:
        """Follows the database, also what other replicas change, until it is cancelled, or lost."""
        while True:
            try:
                await watches.practices.other_than(self._position.version if self._position else 0, _WAIT_S)
                await self.catch_up()
            except VersionUnknown:
                logger.critical("the database has another history than this process has seen, as after a restore")
                self.lost.set()
                return
            except (OSError, SQLAlchemyError) as fault:
                logger.warning("practices could not be read: %s", fault_without_text(fault))
                await asyncio.sleep(_AFTER_FAULT_S)


class FollowedWatches(VersionWatches):
    """Tells of a change made here when the practices in memory have followed it: who wrote, finds what was written."""

    feed: ListingFeed | None = None

    async def tell(self) -> None:
        """Follows the change, then wakes all who wait."""
        if self.feed is not None:
            await self.feed.catch_up()
        await super().tell()
