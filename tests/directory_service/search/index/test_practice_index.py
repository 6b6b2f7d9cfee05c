"""The index finds what a naive scan finds, in the same order and for the same reasons, whatever changed before."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from directory_service.rules.absence import Absence
from directory_service.rules.opening_hours import UNKNOWN_HOURS, OpeningHours, OpenState, SpecialDay, TimeBlock
from directory_service.rules.profile import Position
from directory_service.search.fields import SEARCH_FIELDS
from directory_service.search.index import evaluation, postings
from directory_service.search.index.entry import IndexedPractice
from directory_service.search.index.fit import PREFIX, Instead
from directory_service.search.index.practice_index import PracticeIndex
from directory_service.search.index.query import SearchHit, SearchPosition, SearchQuery
from tests.directory_service.search.index.naive import Row, scan

MEDICAL = {"hautarzt": "", "hausarzt": "", "chirurgie": "", "hausarztpraxis": "hausarzt", "hautarztpraxis": "hautarzt"}
"""Words that are no typing errors, with what each stands for beside itself."""
WORDS = [
    *("muller", "mullermann", "mulle", "mueler", "koch", "kocher", "lang", "praxis", "arztpraxis", "kinderarztpraxis"),
    *(
        "hausarzt",
        "hautarzt",
        "hausarztpraxis",
        "hautarztpraxis",
        "gemeinschaftspraxis",
        "dr",
        "med",
        "b2",
        "schmidtbauer",
        "schmittbauer",
    ),
]
CITIES = ["berlin", "bad homburg", "berlingerode", "koln", "lang"]
ASKED = st.one_of(
    st.sampled_from(
        [*WORDS, *CITIES, "10115", "101", "chirurgie", "m", "arzt", "kch", "bur", "mar", "schmidbaur", "praxs"]
    ),
    st.text("muleraikoch1", min_size=1, max_size=9),
)
POSITIONS = st.builds(
    Position,
    st.floats(47, 55).map(lambda degrees: round(degrees, 2)),
    st.floats(6, 15).map(lambda degrees: round(degrees, 2)),
) | st.just(Position(52.52, 13.4))
NOON = datetime(2026, 11, 24, 11, tzinfo=UTC)
MOMENTS = st.sampled_from(
    [NOON, NOON + timedelta(hours=7), NOON + timedelta(days=4), datetime(2026, 3, 29, 0, 30, tzinfo=UTC)]
)
BLOCKS = st.sampled_from(
    [
        (),
        (TimeBlock(480, 720),),
        (TimeBlock(480, 720), TimeBlock(840, 1080)),
        (TimeBlock(0, 60), TimeBlock(90, 100), TimeBlock(660, 1440)),
    ]
)
HOURS = st.just(UNKNOWN_HOURS) | st.builds(
    OpeningHours,
    st.none() | st.tuples(*[BLOCKS] * 7),
    st.sampled_from([(), (SpecialDay(date(2026, 11, 24)),), (SpecialDay(date(2026, 11, 28), (TimeBlock(1, 1440),)),)]),
)
ABSENCES = st.none() | st.just(Absence(date(2026, 11, 20), date(2026, 11, 26)))
KNOWN_CODES = ("1.2.276.0.76.4.50", "1.2.276.0.76.4.30", "1.2.276.0.76.4.54")
"""Of professions, since each field knows its own codes; any text is a code of the others."""
CODES = {
    field.name: st.lists(st.sampled_from(KNOWN_CODES), max_size=2, unique=True).map(tuple) for field in SEARCH_FIELDS
}
CONDITIONS = st.builds(
    lambda field, codes: field.has_any(codes),
    st.sampled_from(SEARCH_FIELDS),
    st.lists(st.sampled_from([*KNOWN_CODES, "none"]), min_size=1, max_size=2),
)
NUMBERS = st.integers(0, 11).map(lambda number: f"id-{number:02}")
ENTRIES = st.builds(
    IndexedPractice,
    resource_id=NUMBERS,
    name=st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join),
    city=st.sampled_from(["", *CITIES]),
    postcode=st.sampled_from(["", "10115", "10117", "50667"]),
    specialties=st.sampled_from([(), ("ALLG",), ("HAUT", "CHIR")]),
    specialty_words=st.sampled_from([(), ("hausarzt", "praktischer"), ("chirurgie", "hautarzt")]),
    codes=st.tuples(*CODES.values()),
    position=st.none() | POSITIONS,
    opening_hours=HOURS,
    absence=ABSENCES,
    hidden=st.booleans(),
    person=st.booleans(),
)


def instead(word: str, _before: str = "") -> Instead:
    other = MEDICAL.get(word)
    return Instead((other,), PREFIX) if other else Instead()


def groups(values: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[frozenset[str], ...]]:
    return st.lists(st.frozensets(values, min_size=1, max_size=2), max_size=1).map(tuple)


BEGINNINGS = st.lists(st.sampled_from(["b", "berlin", "bad hom", "homburg", "koln"]), min_size=1, max_size=2).map(tuple)
QUERIES = st.builds(
    SearchQuery,
    words=st.lists(ASKED, max_size=3, unique=True).map(tuple),
    alternatives=st.lists(
        st.lists(st.lists(ASKED, min_size=1, max_size=2, unique=True).map(tuple), min_size=2, max_size=3).map(tuple),
        max_size=1,
    ).map(tuple),
    name_words=st.lists(ASKED, max_size=1).map(tuple),
    cities=st.lists(BEGINNINGS, max_size=1).map(tuple),
    postcodes=st.sampled_from([(), (), (("101",),), (("10117", "5"),)]),
    specialties=groups(st.sampled_from(["ALLG", "HAUT", "KIJU"])),
    conditions=st.lists(CONDITIONS, max_size=2).map(tuple),
    origin=POSITIONS,
    within_m=st.none() | st.sampled_from([0.0, 10_000.0, 300_000.0, 9_000_000.0]),
    open_at=st.none() | MOMENTS,
    open_states=st.frozensets(st.sampled_from(list(OpenState)), min_size=1),
    for_insured=st.booleans(),
    person=st.none() | st.booleans(),
    only=st.none() | st.frozensets(NUMBERS, max_size=8),
) | st.builds(SearchQuery, words=st.lists(ASKED, min_size=1, max_size=2, unique=True).map(tuple))


@pytest.fixture(autouse=True, params=[0, 1000])
def limits(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The map is looked at always, or never; sets are bitmaps from two slots on, or few are bytes."""
    monkeypatch.setattr(evaluation, "_MEASURED_ANYWAY", request.param)
    monkeypatch.setattr(postings, "_FEW", 1 if request.param else 3)


def rows(hits: tuple[SearchHit, ...]) -> list[Row]:
    return [(hit.resource_id, hit.reason.value if hit.reason else None, hit.distance_m) for hit in hits]


def read_all(index: PracticeIndex, query: SearchQuery, count: int) -> list[SearchHit]:
    """All pages, each position taken through its text."""
    hits: list[SearchHit] = []
    after = None
    while True:
        page = index.search(query, count=count, after=after)
        hits += page.hits
        if page.next_position is None:
            assert page.total == len(hits)
            return hits
        assert len(page.hits) == count
        after = SearchPosition.from_token(page.next_position.token())


CHANGES = st.lists(ENTRIES | NUMBERS, max_size=25)


@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, max_size=12), CHANGES, st.lists(QUERIES, min_size=1, max_size=4), st.integers(1, 5))
def test_the_index_is_a_naive_scan(
    loaded: list[IndexedPractice], changes: list[IndexedPractice | str], queries: list[SearchQuery], count: int
) -> None:
    index = PracticeIndex(MEDICAL.__contains__, instead)
    index.load(loaded)
    there = {entry.resource_id: entry for entry in loaded}
    for change in changes:
        if isinstance(change, str):
            index.remove(change)
            there.pop(change, None)
        else:
            index.put(change)
            there[change.resource_id] = change
    assert len(index) == len(there)
    for query in queries:
        expected, unknown = scan(there.values(), query, MEDICAL)
        page = index.search(query, count=100)
        assert (rows(page.hits), page.total, page.unknown_hours) == (expected, len(expected), unknown)
        assert [hit.resource_id for hit in read_all(index, query, count)] == [row[0] for row in expected]
        if query.open_at:
            assert all(hit.open_state is there[hit.resource_id].open_state(query.open_at) for hit in page.hits)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ENTRIES, min_size=4, max_size=12, unique_by=lambda entry: entry.resource_id), CHANGES, QUERIES)
def test_pages_stay_apart_when_practices_change_in_between(
    loaded: list[IndexedPractice], changes: list[IndexedPractice | str], query: SearchQuery
) -> None:
    """Whoever stays as it was is on exactly one page."""
    index = PracticeIndex(MEDICAL.__contains__, instead)
    index.load(loaded)
    before = [hit.resource_id for hit in read_all(index, query, 100)]
    first = index.search(query, count=2)
    changed = {change if isinstance(change, str) else change.resource_id for change in changes}
    for change in changes:
        index.remove(change) if isinstance(change, str) else index.put(change)
    seen = [hit.resource_id for hit in first.hits]
    if first.next_position:
        seen += [hit.resource_id for hit in index.search(query, count=100, after=first.next_position).hits]
    unchanged = [one for one in seen if one not in changed]
    assert unchanged == [one for one in before if one not in changed]
