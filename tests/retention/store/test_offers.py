"""Offers in the database: one live offer a person, one a month, each step once."""

import asyncio
from datetime import UTC, datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from retention.rules.decision import Decision
from retention.rules.moments import parse_as_of
from retention.rules.offering import IdleRoom, OfferState, RoomState
from retention.store.offers import Offer, Offers

ERIKA = "@erika:x"
MAY, JUNE = parse_as_of("2027-05-24"), parse_as_of("2027-06-24")
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OLD, OLDER = IdleRoom("!old:x", 2000), IdleRoom("!older:x", 1000)


async def _open_offer(offers: Offers, *rooms: IdleRoom) -> Offer:
    assert await offers.make(ERIKA, rooms, as_of=MAY, now=NOW) == len(rooms)
    offer = await offers.live(ERIKA)
    assert offer is not None
    await offers.begin_sending(offer.id, NOW)
    await offers.sent(offer.id, f"$offer {offer.id}")
    opened = await offers.live(ERIKA)
    assert opened is not None
    return opened


async def _states(offers: Offers, event_id: str) -> dict[str, RoomState]:
    offer = await offers.answered_by(event_id)
    assert offer is not None
    return {room.room_id: room.state for room in offer.rooms}


async def test_an_offer_is_made_once_however_often_the_job_runs(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    assert await offers.make(ERIKA, [OLD, OLDER], as_of=MAY, now=NOW) == 2
    assert await offers.make(ERIKA, [OLD, OLDER], as_of=MAY, now=NOW) == 0
    [offer] = await offers.unfinished()
    assert [room.room_id for room in offer.rooms] == [OLDER.room_id, OLD.room_id]


async def test_two_jobs_at_once_make_one_offer(engine: AsyncEngine) -> None:
    made = await asyncio.gather(*(Offers(engine).make(ERIKA, [OLD], as_of=MAY, now=NOW) for _ in range(4)))
    assert sorted(made) == [0, 0, 0, 1]
    assert len(await Offers(engine).unfinished()) == 1


async def test_further_idle_chats_supersede_an_unanswered_offer(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    first = await _open_offer(offers, OLD)
    assert await offers.make(ERIKA, [OLD], as_of=JUNE, now=NOW) == 0
    assert await offers.make(ERIKA, [OLD, OLDER], as_of=JUNE, now=NOW) == 2
    live = await offers.live(ERIKA)
    assert live is not None
    assert live.id != first.id
    assert not await offers.answer(
        first.id, Decision(frozenset({1}), frozenset({1, 2})), event_id="$late", answered_at=NOW
    )


async def test_an_offer_is_replaced_before_it_is_sent_but_not_while_it_is_sent(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    await offers.make(ERIKA, [OLD], as_of=MAY, now=NOW)
    assert await offers.make(ERIKA, [OLDER], as_of=JUNE, now=NOW) == 1
    [offer] = await offers.unfinished()
    await offers.begin_sending(offer.id, NOW)
    assert await offers.make(ERIKA, [OLD], as_of=parse_as_of("2027-07-24"), now=NOW) == 0
    assert [unfinished.id for unfinished in await offers.unfinished()] == [offer.id]


async def test_an_answer_counts_once_and_only_for_an_open_offer(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    offer = await _open_offer(offers, OLD, OLDER)
    assert await offers.answer(offer.id, Decision(frozenset({2}), frozenset({1, 2})), event_id="$yes", answered_at=NOW)
    assert not await offers.answer(
        offer.id, Decision(frozenset({1, 2}), frozenset({1, 2})), event_id="$again", answered_at=NOW
    )
    assert await _states(offers, "$yes") == {OLDER.room_id: RoomState.KEPT, OLD.room_id: RoomState.CHOSEN}
    answered = await offers.answered_by("$yes")
    assert answered is not None
    assert (answered.state, answered.answered_at) == (OfferState.ACCEPTED, to_milliseconds(NOW))
    assert await offers.answered_by("$again") is None


async def test_chats_that_are_kept_are_not_offered_next_month(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    offer = await _open_offer(offers, OLD)
    assert await offers.answer(offer.id, Decision(frozenset(), frozenset({1, 2})), event_id="$no", answered_at=NOW)
    assert await offers.live(ERIKA) is None
    assert await offers.make(ERIKA, [OLD], as_of=JUNE, now=NOW) == 0
    assert await offers.make(ERIKA, [IdleRoom(OLD.room_id, 9000)], as_of=JUNE, now=NOW) == 1


async def test_the_moment_of_sending_does_not_move_when_it_is_repeated(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    await offers.make(ERIKA, [OLD], as_of=MAY, now=NOW)
    for moment in (NOW, JUNE):
        [offer] = await offers.unfinished()
        await offers.begin_sending(offer.id, moment)
    [offer] = await offers.unfinished()
    assert offer.sending_since == to_milliseconds(NOW)


async def test_leaving_and_forgetting_are_noted_room_by_room(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    offer = await _open_offer(offers, OLD, OLDER)
    await offers.answer(offer.id, Decision(frozenset({1, 2}), frozenset({1, 2})), event_id="$yes", answered_at=NOW)
    await offers.left(offer.id, {OLD.room_id}, {OLDER.room_id: "written-since"})
    assert await _states(offers, "$yes") == {OLD.room_id: RoomState.LEFT, OLDER.room_id: RoomState.REFUSED}
    await offers.forgotten(offer.id, {OLD.room_id}, {})
    await offers.done(offer.id)
    assert await _states(offers, "$yes") == {OLD.room_id: RoomState.FORGOTTEN, OLDER.room_id: RoomState.REFUSED}
    assert await offers.unfinished() == []


async def test_a_withdrawn_offer_leaves_nothing_to_do(engine: AsyncEngine) -> None:
    offers = Offers(engine)
    await offers.make(ERIKA, [OLD], as_of=MAY, now=NOW)
    [offer] = await offers.unfinished()
    await offers.withdraw(offer.id)
    assert await offers.unfinished() == []
    assert await offers.live(ERIKA) is None
