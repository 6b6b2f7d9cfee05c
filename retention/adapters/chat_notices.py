"""Tells insured people in their service room what became of a chat of theirs.

Every notice is in the database before it is sent and has a key of its own, so a kill at any point sends none twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime

from messenger_core.log import fault_without_text
from messenger_core.matrix import SendFailed
from messenger_core.service_auth.client import CallFailed
from messenger_core.waking import woken
from retention.adapters.homeserver import Homeserver
from retention.adapters.patience import Patience
from retention.adapters.service_account import ServiceAccount, message
from retention.adapters.service_room import service_room_of
from retention.adapters.wording import Wording
from retention.rules.chat_notices import TEXT_OF_CHANGE, is_worth_telling
from retention.store.chat_notices import ChatNotice, ChatNotices
from retention.store.service_rooms import ServiceRooms

logger = logging.getLogger(__name__)

_POLL_S = 30.0
_LOOK_AGAIN_S = 600.0


class ChatNoticesWork:
    """One notice after another; ``wake`` is set when there may be new ones."""

    def __init__(
        self,
        account: ServiceAccount,
        homeserver: Homeserver,
        *,
        notices: ChatNotices,
        rooms: ServiceRooms,
        wording: Wording,
        clock: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._homeserver = homeserver
        self._notices = notices
        self._rooms = rooms
        self._wording = wording
        self._clock = clock
        self._patience = Patience()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            self.wake.clear()
            await self.work_once()
            await woken(self.wake, _POLL_S)

    async def work_once(self) -> None:
        """Sends what is to be told; one person's trouble does not stop the others."""
        time_s = asyncio.get_running_loop().time
        for notice in await self._notices.all():
            work = str(notice.version)
            if not self._patience.may_try(work, time_s()):
                continue
            try:
                is_done = await self._tell(notice)
                if is_done:
                    await self._notices.done(notice.version)
            except Exception as fault:  # noqa: BLE001 - as said above
                self._patience.failed(work, time_s())
                reason = str(fault) if isinstance(fault, CallFailed | SendFailed) else fault_without_text(fault)
                logger.warning("a notice about a chat is tried again later: %s", reason)
            else:
                if is_done:
                    self._patience.succeeded(work)
                else:
                    self._patience.wait(work, time_s(), _LOOK_AGAIN_S)

    async def _tell(self, notice: ChatNotice) -> bool:
        """Sends a notice once the person is in her service room; whether nothing is left to do about it."""
        if not is_worth_telling(notice.happened_at, self._clock()):
            return True
        if not await self._homeserver.is_reachable_insured(notice.user_id):
            return False
        service_room = await service_room_of(notice.user_id, self._account, self._rooms)
        membership = (await self._account.room(service_room)).members.get(notice.user_id)
        if membership not in {"join", "invite"} and not notice.is_invited:
            # Once a notice: who declines has answered.
            await self._account.invite(service_room, notice.user_id)
            await self._notices.invited(notice.version)
            membership = (await self._account.room(service_room)).members.get(notice.user_id)
        if membership != "join":
            return False
        text = self._wording.about_chat(TEXT_OF_CHANGE[notice.kind], notice.room_id)
        await self._account.send(service_room, message(text), key=f"chat {notice.version}")
        return True
