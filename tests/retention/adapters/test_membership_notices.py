"""An announced end reaches the person in her service room, whatever is interrupted, and its taking back as well."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.account_changes import AccountFollower
from messenger_core.calendar_periods import berlin_day
from retention.adapters.homeserver import HomeserverClient
from retention.store.chat_notices import ChatNotices
from retention.store.membership_ends import MembershipEnds
from retention.use_cases.account_effects import AccountEffects
from retention.use_cases.membership_notices import MembershipNotices
from tests.retention.adapters.service import ERIKA, WORDING, Killed, Life, Mortal, Service

NOON = datetime(2027, 4, 1, 10, tzinfo=UTC)


class Notices:
    """The follower and the notices beside a service, at a moment that the test sets."""

    def __init__(self, engine: AsyncEngine, service: Service) -> None:
        self.service = service
        self.homeserver = service.homeserver
        self.engine = engine
        self.now = NOON
        self.ends = MembershipEnds(engine)
        self.start(Life())

    def start(self, life: Life) -> None:
        account: Any = Mortal(self.service.account, life)
        homeserver: Any = Mortal(HomeserverClient(self.service.client), life)
        ends: Any = Mortal(self.ends, life)
        rooms: Any = Mortal(self.service.rooms, life)
        offers: Any = Mortal(self.service.offers, life)
        self.notices = MembershipNotices(
            account, homeserver, ends=ends, rooms=rooms, wording=WORDING, clock=lambda: self.now
        )
        effects = AccountEffects(
            homeserver,
            ends=ends,
            offers=offers,
            notices=ChatNotices(self.engine),
            wake=self.notices.wake.set,
        )
        self.changes = AccountFollower(homeserver, ends, effects.apply)

    def ends_in(self, days: int) -> date:
        day = berlin_day(self.now) + timedelta(days=days)
        self.homeserver.ends_on[ERIKA] = day.isoformat()
        self.homeserver.changes.append((ERIKA, "announced"))
        return day

    def happens(self, what: str) -> None:
        self.homeserver.ends_on.pop(ERIKA, None)
        self.homeserver.changes.append((ERIKA, what))

    async def work(self) -> list[str]:
        """Everything that is due is done; returns what the person was told so far."""
        await self.changes.follow_once(0)
        for _ in range(2):
            await self.notices.work_once()
        return self.service.account.texts("membership_")


@pytest.fixture
async def notices(engine: AsyncEngine, service: Service) -> Notices:
    return Notices(engine, service)


async def test_she_is_told_three_times_with_how_to_export(notices: Notices) -> None:
    day = notices.ends_in(30)
    assert await notices.work() == []
    for days_before, expected in ((14, 1), (10, 1), (7, 2), (1, 3), (0, 3)):
        notices.now = NOON + timedelta(days=30 - days_before)
        told = await notices.work()
        assert len(told) == expected
    for part in (day.strftime("%d.%m.%Y"), "Chat exportieren", "Export chat", "Ihre Praxis behält", "0800"):
        assert part in told[0]


async def test_an_end_that_is_known_late_is_told_at_once(notices: Notices) -> None:
    notices.ends_in(1)
    assert len(await notices.work()) == 1
    notices.happens("locked")
    notices.homeserver.accounts[ERIKA] = ("insured", True)
    notices.now += timedelta(days=1)
    assert len(await notices.work()) == 1


async def test_what_was_told_is_taken_back_and_what_was_not_told_is_not(notices: Notices) -> None:
    notices.ends_in(40)
    await notices.work()
    notices.happens("undone")
    assert await notices.work() == []
    notices.ends_in(5)
    await notices.work()
    notices.happens("undone")
    for _ in range(2):
        told = await notices.work()
    assert len(told) == 2
    assert "geht weiter" in told[-1]
    assert await notices.ends.all() == []


async def test_a_day_that_moves_is_told(notices: Notices) -> None:
    notices.ends_in(5)
    await notices.work()
    day = notices.ends_in(50)
    told = await notices.work()
    assert "geändert" in told[-1]
    assert day.strftime("%d.%m.%Y") in told[-1]


async def test_she_is_told_when_she_has_joined_and_is_not_pressed(notices: Notices) -> None:
    account = notices.service.account
    account.accepts = False
    notices.ends_in(5)
    assert await notices.work() == []
    assert len(account.invited) == 1
    account.rooms[notices.service.service_room][ERIKA] = "join"
    notices.start(Life())
    assert len(await notices.work()) == 1
    account.rooms[notices.service.service_room][ERIKA] = "leave"
    notices.now += timedelta(days=4)
    for _ in range(2):
        notices.start(Life())
        await notices.work()
    assert len(account.invited) == 2, "once more, since something new is to be said"


async def test_a_deactivated_account_is_told_nothing_and_has_no_offers(notices: Notices) -> None:
    await notices.service.offer()
    notices.ends_in(5)
    notices.happens("deactivated")
    notices.homeserver.accounts[ERIKA] = ("insured", True)
    assert await notices.work() == []
    assert await notices.service.offers.live(ERIKA) is None
    assert await notices.ends.all() == []


async def test_killed_at_any_call_she_is_told_once(notices: Notices) -> None:
    notices.ends_in(5)
    for ends_at in range(1, 40):
        life = Life(ends_at)
        notices.start(life)
        try:
            await notices.work()
        except Killed:
            continue
        break
    else:
        pytest.fail("it never came to its end")
    assert ends_at > 5
    notices.start(Life())
    assert len(await notices.work()) == 1
    assert len(notices.service.account.invited) == 1
