"""Service rooms, invitations and wished periods in the database."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.matrix import Invitation
from retention.store.period_wishes import PeriodWish, PeriodWishes
from retention.store.service_rooms import ServiceRoom, ServiceRooms

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


async def test_an_alias_is_drawn_once_and_names_nobody(engine: AsyncEngine) -> None:
    rooms = ServiceRooms(engine)
    reserved = await rooms.reserve("@erika:x", NOW)
    assert reserved == await rooms.reserve("@erika:x", NOW)
    assert reserved.room_id is None
    assert "erika" not in reserved.alias
    assert reserved.alias != (await rooms.reserve("@max:x", NOW)).alias


async def test_a_room_that_was_made_is_found_by_alias_and_by_room(engine: AsyncEngine) -> None:
    rooms = ServiceRooms(engine)
    reserved = await rooms.reserve("@erika:x", NOW)
    await rooms.made(reserved.alias, "!room:x")
    assert await rooms.reserve("@erika:x", NOW) == ServiceRoom(reserved.alias, "!room:x")
    assert await rooms.person_of("!room:x") == "@erika:x"
    assert await rooms.person_of("!other:x") is None


async def test_the_room_that_a_person_opened_last_is_used(engine: AsyncEngine) -> None:
    rooms = ServiceRooms(engine)
    reserved = await rooms.reserve("@erika:x", NOW)
    await rooms.made(reserved.alias, "!ours:x")
    hers = Invitation("!hers:x", "@erika:x")
    for _ in range(2):
        await rooms.adopt(hers, NOW + timedelta(days=1))
    assert (await rooms.reserve("@erika:x", NOW)).room_id == "!hers:x"
    assert await rooms.person_of("!ours:x") == "@erika:x"


async def test_an_invitation_waits_until_it_is_decided(engine: AsyncEngine) -> None:
    rooms = ServiceRooms(engine)
    invitation = Invitation("!hers:x", "@erika:x")
    for _ in range(2):
        await rooms.note_invitation(invitation)
    assert await rooms.invitations() == [invitation]
    await rooms.decided("!hers:x")
    assert await rooms.invitations() == []


async def test_periods_are_passed_on_in_the_order_in_which_they_were_written(engine: AsyncEngine) -> None:
    wishes = PeriodWishes(engine)
    later, sooner = PeriodWish("$b", "@erika:x", "!r:x", None), PeriodWish("$a", "@erika:x", "!r:x", 12)
    await wishes.record(later, NOW + timedelta(seconds=1))
    for _ in range(2):
        await wishes.record(sooner, NOW)
    assert await wishes.open() == [sooner, later]
    await wishes.done("$a")
    await wishes.record(sooner, NOW)
    assert await wishes.open() == [later]
