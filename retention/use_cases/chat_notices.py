"""Tells insured people in their service room what became of a chat of theirs.

Every notice is in the database before it is sent and has a key of its own, so a kill at any point sends none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from messenger_core.clock import Clock
from retention.rules.chat_notices import TEXT_OF_CHANGE, is_worth_telling
from retention.store.chat_notices import ChatNotice, ChatNotices
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.machines import Homeserver
from retention.use_cases.notice_work import DueNotice, NoticeWork
from retention.use_cases.service_account import ServiceAccount, message
from retention.use_cases.wording import Wording


class ChatNoticesWork(NoticeWork):
    """What became of chats, in the order in which the homeserver told it."""

    name = "telling of chats"

    def __init__(
        self,
        account: ServiceAccount,
        homeserver: Homeserver,
        *,
        notices: ChatNotices,
        rooms: ServiceRooms,
        wording: Wording,
        clock: Clock,
    ) -> None:
        super().__init__(account, rooms, clock)
        self._homeserver = homeserver
        self._notices = notices
        self._wording = wording

    async def due(self) -> Sequence[DueNotice]:
        """Every notice that is not done."""
        return [
            DueNotice(str(notice.version), notice.user_id, partial(self._finish, notice))
            for notice in await self._notices.all()
        ]

    async def _finish(self, notice: ChatNotice) -> bool:
        is_done = await self._tell(notice)
        if is_done:
            await self._notices.done(notice.version)
        return is_done

    async def _tell(self, notice: ChatNotice) -> bool:
        if not is_worth_telling(notice.happened_at, self._clock()):
            return True
        if not await self._homeserver.is_reachable_insured(notice.user_id):
            return False
        # Invited once a notice.
        invited = None if notice.is_invited else partial(self._notices.invited, notice.version)
        room_id = await self._room_with(notice.user_id, invited)
        if room_id is None:
            return False
        text = self._wording.about_chat(TEXT_OF_CHANGE[notice.kind], notice.room_id)
        await self._account.send(room_id, message(text), key=f"chat {notice.version}")
        return True
