"""What becomes of a chat reaches the person in her service room once, whatever is interrupted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.account_changes import AccountFollower
from messenger_core.calendar_periods import to_milliseconds
from retention.adapters.homeserver import HomeserverClient
from retention.rules.chat_notices import TEXT_OF_CHANGE
from retention.store.chat_notices import ChatNotices
from retention.store.membership_ends import MembershipEnds
from retention.use_cases.account_effects import AccountEffects
from retention.use_cases.chat_notices import ChatNoticesWork
from tests.retention.adapters.service import ERIKA, FIRST, WORDING, Killed, Life, Mortal, Service

NOON = datetime(2027, 4, 1, 10, tzinfo=UTC)


class World:
    """The follower and the notices beside a service, at a moment that the test sets."""

    def __init__(self, engine: AsyncEngine, service: Service) -> None:
        self.service = service
        self.engine = engine
        self.now = NOON
        self.start(Life())

    def start(self, life: Life) -> None:
        account: Any = Mortal(self.service.account, life)
        homeserver: Any = Mortal(HomeserverClient(self.service.client), life)
        notices: Any = Mortal(ChatNotices(self.engine), life)
        rooms: Any = Mortal(self.service.rooms, life)
        self.work_of_notices = ChatNoticesWork(
            account, homeserver, notices=notices, rooms=rooms, wording=WORDING, clock=lambda: self.now
        )
        effects = AccountEffects(
            homeserver,
            ends=MembershipEnds(self.engine),
            offers=self.service.offers,
            notices=notices,
            wake=self.work_of_notices.wake.set,
        )
        self.changes = AccountFollower(homeserver, MembershipEnds(self.engine), effects.apply)

    def happens(self, what: str, room_id: str = FIRST) -> None:
        homeserver = self.service.homeserver
        homeserver.changes.append((ERIKA, what))
        homeserver.chats[len(homeserver.changes)] = room_id
        homeserver.changed_at[len(homeserver.changes)] = to_milliseconds(self.now)

    async def work(self) -> list[str]:
        """Everything that is to be told is told; returns what the person was told so far."""
        await self.changes.follow_once(0)
        await self.work_of_notices.work_once()
        return self.service.account.texts("chat ")


@pytest.fixture
async def world(engine: AsyncEngine, service: Service) -> World:
    return World(engine, service)


@pytest.mark.parametrize("what", TEXT_OF_CHANGE)
async def test_she_is_told_in_both_languages_which_chat_it_is(world: World, what: str) -> None:
    world.happens(what)
    for _ in range(2):
        [told] = await world.work()
    assert told.count("https://matrix.to/#/!first:x") == 2
    assert "Praxis" in told
    assert "practice" in told
    assert await ChatNotices(world.engine).all() == []


async def test_she_is_told_when_she_has_joined_and_is_not_pressed(world: World) -> None:
    account = world.service.account
    account.accepts = False
    world.happens("practice-pauses")
    assert await world.work() == []
    account.rooms[world.service.service_room][ERIKA] = "leave"
    for _ in range(3):
        world.start(Life())
        assert await world.work() == []
    assert len(account.invited) == 2, "when the room was made, and once for this notice"
    account.rooms[world.service.service_room][ERIKA] = "join"
    assert await world.work() == [], "it is looked for her at times alone"
    world.work_of_notices.has_come_or_gone(ERIKA)
    assert world.work_of_notices.wake.is_set()
    assert len(await world.work()) == 1


async def test_old_news_is_not_told_and_a_deactivated_account_neither(world: World) -> None:
    world.happens("practice-pauses")
    world.now += timedelta(days=31)
    assert await world.work() == []
    assert await ChatNotices(world.engine).all() == []
    world.happens("practice-pauses")
    world.happens("deactivated")
    assert await world.work() == []
    assert await ChatNotices(world.engine).all() == []


async def test_a_locked_person_waits_for_an_undo(world: World) -> None:
    world.service.homeserver.accounts[ERIKA] = ("insured", True)
    world.happens("practice-pauses")
    assert await world.work() == []
    world.service.homeserver.accounts[ERIKA] = ("insured", False)
    world.start(Life())
    assert len(await world.work()) == 1


async def test_killed_at_any_call_she_is_told_once(world: World) -> None:
    world.happens("practice-pauses")
    for ends_at in range(1, 40):
        world.start(Life(ends_at))
        try:
            await world.work()
        except Killed:
            continue
        break
    else:
        pytest.fail("it never came to its end")
    assert ends_at > 5
    world.start(Life())
    assert len(await world.work()) == 1
