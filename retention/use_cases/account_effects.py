"""What a change of an account means here: memberships that end, and what becomes of chats."""

from __future__ import annotations

from collections.abc import Callable

from messenger_core.account_changes import AccountChange, AccountEvent
from messenger_core.account_kinds import AccountKind
from messenger_core.calendar_periods import from_milliseconds
from retention.rules.chat_notices import TEXT_OF_CHANGE
from retention.store.chat_notices import ChatNotice, ChatNotices
from retention.store.membership_ends import MembershipEnds
from retention.store.offers import Offers
from retention.use_cases.machines import Homeserver


class AccountEffects:
    """Applies the homeserver's changes of accounts."""

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

    async def apply(self, change: AccountChange) -> None:
        """Notes ends that are announced or taken back, and chats of which people are told; insured people's alone."""
        if change.kind != AccountKind.INSURED:
            return
        if change.what == AccountEvent.ANNOUNCED:
            ends_on = await self._homeserver.membership_ends_on(change.user_id)
            # None if it was taken back since; then that change comes as well.
            if ends_on is not None:
                await self._ends.announced(change.user_id, ends_on)
        elif change.what == AccountEvent.UNDONE:
            await self._ends.taken_back(change.user_id)
        elif change.what == AccountEvent.DEACTIVATED:
            await self._ends.forget(change.user_id)
            await self._offers.drop(change.user_id)
            await self._notices.forget(change.user_id)
        elif change.what in TEXT_OF_CHANGE and change.room_id is not None:
            happened_at = from_milliseconds(change.at)
            await self._notices.add(
                ChatNotice(change.version, change.user_id, change.room_id, change.what, happened_at, is_invited=False)
            )
        self._wake()
