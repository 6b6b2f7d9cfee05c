"""Tells insured people in their service room that their membership ends, how to export, and when that changes.

Every notice is in the database before it is sent and has a key of its own, so a kill at any point sends none twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from messenger_core.clock import Clock
from retention.rules.membership_notices import Notice, notice_due
from retention.store.membership_ends import EndOfPerson, MembershipEnds
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.machines import Homeserver
from retention.use_cases.notice_work import DueNotice, NoticeWork
from retention.use_cases.service_account import ServiceAccount, message
from retention.use_cases.wording import Wording


class MembershipNotices(NoticeWork):
    """What is due by the day on which somebody's membership ends."""

    name = "telling of memberships"

    def __init__(
        self,
        account: ServiceAccount,
        homeserver: Homeserver,
        *,
        ends: MembershipEnds,
        rooms: ServiceRooms,
        wording: Wording,
        clock: Clock,
    ) -> None:
        super().__init__(account, rooms, clock)
        self._homeserver = homeserver
        self._ends = ends
        self._wording = wording

    async def due(self) -> Sequence[DueNotice]:
        """Of each end the notice whose day has come."""
        return [
            DueNotice(f"{known.id} {known.end.ends_on}", known.user_id, partial(self._tell, known, notice))
            for known in await self._ends.all()
            if (notice := notice_due(known.end, self._clock())) is not None
        ]

    async def _tell(self, known: EndOfPerson, notice: Notice) -> bool:
        if not await self._homeserver.is_reachable_insured(known.user_id):
            return False
        # Invited once a day that is named.
        is_new = notice.ends_on is not None and known.invited_for != notice.ends_on
        invited = partial(self._ends.invited, known.id, notice.ends_on) if is_new else None
        room_id = await self._room_with(known.user_id, invited)
        if room_id is None:
            return False
        day = notice.ends_on or ""
        key = f"{notice.kind} {known.id} {notice.ends_on} {notice.days_before}"
        await self._account.send(room_id, message(self._wording.text(notice.kind.value, day=day)), key=key)
        await self._ends.told(known.id, notice)
        return True
