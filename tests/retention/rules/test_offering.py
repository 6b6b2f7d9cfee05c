"""Which chats are offered: examples, and the property that nothing is offered twice."""

from hypothesis import given
from hypothesis import strategies as st

from retention.rules.offering import LIVE, MAX_ROOMS, IdleRoom, OfferState, PersonsOffers, next_offer

OLD, OLDER = IdleRoom("!old:x", 2000), IdleRoom("!older:x", 1000)


def test_all_idle_rooms_of_a_person_come_in_one_offer_longest_idle_first() -> None:
    assert next_offer([OLD, OLDER], PersonsOffers(), "2027-05") == (OLDER, OLD)


def test_a_person_is_offered_chats_at_most_once_a_calendar_month() -> None:
    assert next_offer([OLD], PersonsOffers(months={"2027-05"}), "2027-05") == ()


def test_an_unanswered_offer_is_not_repeated_for_the_same_chats() -> None:
    past = PersonsOffers({"2027-05"}, OfferState.OPEN, {OLD.room_id})
    assert next_offer([OLD], past, "2027-06") == ()


def test_an_unanswered_offer_is_replaced_by_one_with_further_chats() -> None:
    past = PersonsOffers({"2027-05"}, OfferState.OPEN, {OLD.room_id})
    assert next_offer([OLD, OLDER], past, "2027-06") == (OLDER, OLD)


def test_an_offer_that_could_not_be_sent_is_replaced_by_what_is_idle_now() -> None:
    past = PersonsOffers({"2027-05"}, OfferState.TO_SEND, {OLD.room_id, OLDER.room_id})
    assert next_offer([OLD], past, "2027-06") == (OLD,)
    assert next_offer([OLD, OLDER], past, "2027-06") == ()


def test_a_chat_that_was_kept_is_offered_again_only_after_new_messages() -> None:
    past = PersonsOffers({"2027-05"}, kept={OLD})
    assert next_offer([OLD], past, "2027-06") == ()
    written = IdleRoom(OLD.room_id, 5000)
    assert next_offer([written], past, "2028-06") == (written,)


def test_an_offer_stays_readable() -> None:
    many = [IdleRoom(f"!{number}:x", number) for number in range(MAX_ROOMS + 7)]
    assert next_offer(many, PersonsOffers(), "2027-05") == tuple(many[:MAX_ROOMS])


_ROOMS = st.builds(IdleRoom, st.sampled_from(["!a", "!b", "!c", "!d"]), st.integers(0, 3))


@given(
    idle=st.lists(_ROOMS),
    months=st.sets(st.sampled_from(["2027-05", "2027-06"])),
    state=st.one_of(st.none(), st.sampled_from(LIVE)),
    live_rooms=st.sets(st.sampled_from(["!a", "!b", "!c"])),
    kept=st.sets(_ROOMS),
)
def test_offers_are_never_doubled(
    idle: list[IdleRoom],
    months: set[str],
    state: OfferState | None,
    live_rooms: set[str],
    kept: set[IdleRoom],
) -> None:
    past = PersonsOffers(months, state, live_rooms if state else (), kept)
    rooms = next_offer(idle, past, "2027-06")
    named = [room.room_id for room in rooms]
    assert len(named) == len(set(named))
    assert set(rooms) <= set(idle) - kept
    if rooms:
        assert "2027-06" not in months
        assert state in {None, OfferState.TO_SEND, OfferState.OPEN}
        assert state is None or set(named) != live_rooms
        assert state is not OfferState.OPEN or set(named) - live_rooms
