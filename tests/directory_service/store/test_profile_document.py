"""A profile in the database: what is read is what was written, whatever it says."""

import json
from datetime import date, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.absence import Absence, Substitute
from directory_service.rules.opening_hours import END_OF_DAY, OpeningHours, SpecialDay, SpecialReason, TimeBlock
from directory_service.rules.profile import (
    Accessibility,
    Address,
    Feature,
    Grade,
    Messenger,
    MessengerKind,
    Position,
    Profile,
)
from directory_service.store.profile_document import from_document, to_document

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
days = st.dates(date(2026, 1, 1), date(2030, 1, 1))
blocks = st.lists(st.integers(0, END_OF_DAY), max_size=6, unique=True).map(
    lambda edges: tuple(TimeBlock(*pair) for pair in list(pairwise(sorted(edges)))[::2])
)
hours = st.builds(
    OpeningHours,
    st.one_of(st.none(), st.tuples(*[blocks] * 7)),
    st.lists(st.builds(SpecialDay, days, blocks, st.sampled_from(SpecialReason), texts), max_size=3).map(tuple),
)
absences = st.builds(
    lambda day, length, who: Absence(day, day + timedelta(days=length), who),
    days,
    st.integers(0, 30),
    st.one_of(st.none(), st.builds(Substitute, texts, texts)),
)
degrees = st.floats(-90, 90)
addresses = st.builds(Address, texts, texts, texts, st.one_of(st.none(), st.builds(Position, degrees, degrees)))
profiles = st.builds(
    Profile,
    name=texts,
    specialties=st.lists(texts, max_size=3).map(tuple),
    address=st.one_of(st.none(), addresses),
    languages=st.lists(texts, max_size=3).map(tuple),
    accessibility=st.lists(
        st.builds(Accessibility, st.sampled_from(Feature), st.sampled_from(Grade), texts), max_size=3
    ).map(tuple),
    opening_hours=hours,
    absence=st.one_of(st.none(), absences),
    messengers=st.lists(
        st.builds(Messenger, texts, st.sampled_from(MessengerKind), *[st.booleans()] * 3), max_size=3
    ).map(tuple),
    hide_from_insured=st.booleans(),
)


@given(profiles)
def test_what_is_read_is_what_was_written(profile: Profile) -> None:
    assert from_document(to_document(profile)) == profile


def test_what_was_not_said_takes_no_space_and_may_come_with_a_later_release() -> None:
    assert json.loads(to_document(Profile("Praxis"))) == {"name": "Praxis"}
    assert from_document('{"name":"Praxis"}') == Profile("Praxis")


def test_closed_all_week_is_not_unknown() -> None:
    closed = Profile("Praxis", opening_hours=OpeningHours(((),) * 7))
    assert from_document(to_document(closed)) == closed
