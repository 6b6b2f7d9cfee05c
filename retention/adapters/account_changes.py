"""Follows the homeserver's changes of accounts: memberships that end, and what becomes of chats."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import from_milliseconds
from messenger_core.service_auth.client import CallFailed
from retention.adapters.homeserver import AccountChange, Homeserver
from retention.rules.chat_notices import TEXT_OF_CHANGE
from retention.store.chat_notices import ChatNotice, ChatNotices
from retention.store.membership_ends import MembershipEnds
from retention.store.offers import Offers

logger = logging.getLogger(__name__)

_WAIT_S = 25
_PAUSE_S = 5.0


class AccountChanges:
    """Applies the changes one after the other; the position moves only when all were applied."""

    def __init__(
        self,
        homeserver: Homeserver,
        *,
        ends: MembershipEnds,
        offers: Offers,
        notices: ChatNotices,
        wake: Callable[[], None],
    ) -> None:
        self._homeserver = homeserver
        self._ends = ends
        self._offers = offers
        self._notices = notices
        self._wake = wake

    async def run(self) -> None:
        """Follows until it is cancelled; an outage of the homeserver is waited out."""
        while True:
            try:
                await self.follow_once(_WAIT_S)
            except CallFailed as fault:
                logger.warning("the changes of accounts cannot be followed: %s", fault)
                await asyncio.sleep(_PAUSE_S)

    async def follow_once(self, wait_s: int) -> None:
        """Asks once and applies what came.

        Raises:
            CallFailed: if the homeserver cannot be asked.
        """
        since = await self._ends.position()
        changes, position = await self._homeserver.changes(since, wait_s)
        for change in changes:
            if change.kind == AccountKind.INSURED:
                await self._apply(change)
        if position != since:
            await self._ends.move_to(position)
            self._wake()

    async def _apply(self, change: AccountChange) -> None:
        if change.what == "announced":
            ends_on = await self._homeserver.membership_ends_on(change.user_id)
            # None if it was taken back since; then that change comes as well.
            if ends_on is not None:
                await self._ends.announced(change.user_id, ends_on)
        elif change.what == "undone":
            await self._ends.taken_back(change.user_id)
        elif change.what == "deactivated":
            await self._ends.forget(change.user_id)
            await self._offers.drop(change.user_id)
            await self._notices.forget(change.user_id)
        elif change.what in TEXT_OF_CHANGE and change.room_id is not None:
            happened_at = from_milliseconds(change.at)
            await self._notices.add(
                ChatNotice(change.version, change.user_id, change.room_id, change.what, happened_at, is_invited=False)
            )
