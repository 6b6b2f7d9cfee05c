"""Tells insured people in their service room that their membership ends, how to export, and when that changes.

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
from retention.rules.membership_notices import Notice, notice_due
from retention.store.membership_ends import EndOfPerson, MembershipEnds
from retention.store.service_rooms import ServiceRooms

logger = logging.getLogger(__name__)

_POLL_S = 30.0
_LOOK_AGAIN_S = 600.0


class MembershipNotices:
    """One notice after another; ``wake`` is set when an end became known."""

    def __init__(
        self,
        account: ServiceAccount,
        homeserver: Homeserver,
        *,
        ends: MembershipEnds,
        rooms: ServiceRooms,
        wording: Wording,
        clock: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._homeserver = homeserver
        self._ends = ends
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
        """Sends what is due; one person's trouble does not stop the others."""
        time_s = asyncio.get_running_loop().time
        for known in await self._ends.all():
            notice = notice_due(known.end, self._clock())
            work = f"{known.id} {known.end.ends_on}"
            if notice is None or not self._patience.may_try(work, time_s()):
                continue
            try:
                is_sent = await self._tell(known, notice)
            except Exception as fault:  # noqa: BLE001 - as said above
                self._patience.failed(work, time_s())
                reason = str(fault) if isinstance(fault, CallFailed | SendFailed) else fault_without_text(fault)
                logger.warning("a notice about a membership is tried again later: %s", reason)
            else:
                if is_sent:
                    self._patience.succeeded(work)
                else:
                    self._patience.wait(work, time_s(), _LOOK_AGAIN_S)

    async def _tell(self, known: EndOfPerson, notice: Notice) -> bool:
        """Sends a notice once the person is in the room, since only then the keys of her devices are known."""
        if not await self._homeserver.is_reachable_insured(known.user_id):
            return False
        room_id = await service_room_of(known.user_id, self._account, self._rooms)
        membership = (await self._account.room(room_id)).members.get(known.user_id)
        if membership not in {"join", "invite"} and notice.ends_on is not None and known.invited_for != notice.ends_on:
            # Once a day that is named: who declines has answered.
            await self._account.invite(room_id, known.user_id)
            await self._ends.invited(known.id, notice.ends_on)
            membership = (await self._account.room(room_id)).members.get(known.user_id)
        if membership != "join":
            return False
        day = notice.ends_on.strftime("%d.%m.%Y") if notice.ends_on else ""
        key = f"{notice.kind} {known.id} {notice.ends_on} {notice.days_before}"
        await self._account.send(room_id, message(self._wording.text(notice.kind.value, day=day)), key=key)
        await self._ends.told(known.id, notice)
        return True
