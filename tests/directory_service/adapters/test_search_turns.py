"""Long searches take turns, one of each account."""

from __future__ import annotations

import asyncio
import time

import pytest

from directory_service.adapters.search_turns import SearchRunning, SearchTurns, TooManySearches
from directory_service.rules.fhir.values import FaultyParameter
from directory_service.search.fhir.bundle import Page
from directory_service.search.fhir.finding import Steps

NOTHING = Page(total=0, matches=[], next_page=None, unknown_hours=0)


def long_search(seconds: float) -> Steps:
    ends_at = time.monotonic() + seconds
    while time.monotonic() < ends_at:
        yield
    return NOTHING


def faulty_search() -> Steps:
    yield
    raise FaultyParameter("name", "unknown")


async def test_others_are_answered_while_a_long_search_goes_on() -> None:
    turns = SearchTurns()
    search = asyncio.create_task(turns.finish(long_search(0.3), "@erika"))
    between = 0
    while not search.done():
        await asyncio.sleep(0)
        between += 1
    assert between > 5
    assert search.result() is NOTHING


async def test_nobody_has_two_and_afterwards_the_next_one_goes_on() -> None:
    turns = SearchTurns()
    first = asyncio.create_task(turns.finish(long_search(0.2), "@erika"))
    await asyncio.sleep(0)
    with pytest.raises(SearchRunning):
        await turns.finish(long_search(0), "@erika")
    assert await turns.finish(long_search(0), "@max") is NOTHING
    await first
    assert await turns.finish(long_search(0), "@erika") is NOTHING
    assert turns.running == 0


async def test_few_go_on_at_once_some_wait_and_the_rest_is_refused() -> None:
    turns = SearchTurns(at_once=1, waiting=1)
    searches = [asyncio.create_task(turns.finish(long_search(0.1), f"@{number}")) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(TooManySearches):
        await turns.finish(long_search(0), "@last")
    assert await asyncio.gather(*searches) == [NOTHING, NOTHING]


async def test_a_search_that_fails_or_is_given_up_makes_room() -> None:
    turns = SearchTurns()
    with pytest.raises(FaultyParameter):
        await turns.finish(faulty_search(), "@erika")
    given_up = asyncio.create_task(turns.finish(long_search(60), "@erika"))
    await asyncio.sleep(0.01)
    given_up.cancel()
    with pytest.raises(asyncio.CancelledError):
        await given_up
    assert turns.running == 0
