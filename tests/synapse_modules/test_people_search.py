"""The clients' search box: practices that opted in and HEK, never an insured person."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.synapse_modules.homeserver_under_test import SERVICE, SUPPORT, Homeserver, SignedIn, running_homeserver


async def search(homeserver: Homeserver, who: SignedIn, term: str) -> dict[str, Any]:
    status, answer = await homeserver.call(who, "POST", "/user_directory/search", {"search_term": term, "limit": 10})
    assert status == 200, answer
    return answer


async def test_a_person_finds_practices_that_opted_in(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    practice = await homeserver.new_practice("Hausarztpraxis Findbar, Hamburg")
    await homeserver.new_practice("Hausarztpraxis Findbar-Winter", opts_in=False)
    found = await search(homeserver, person, "findbar")
    assert found == {
        "limited": False,
        "results": [{"user_id": practice.user_id, "display_name": "Hausarztpraxis Findbar, Hamburg"}],
    }


async def test_a_person_finds_hek_itself(homeserver: Homeserver) -> None:
    found = await search(homeserver, await homeserver.new_person(), "HEK")
    assert [one["user_id"] for one in found["results"]] == [SUPPORT, SERVICE]


async def test_without_the_directory_the_answer_is_honest(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    homeserver.directory.is_down = True
    try:
        assert await search(homeserver, person, "praxis") == {"limited": True, "results": []}
        assert [one["user_id"] for one in (await search(homeserver, person, "hek"))["results"]] == [SUPPORT, SERVICE]
    finally:
        homeserver.directory.is_down = False
    assert (await search(homeserver, person, "hek"))["limited"] is False


@pytest.fixture
def homeserver_in_a_hurry(tmp_path: Path) -> Iterator[Homeserver]:
    """It answers as fast as an operator's does; no other test's may, on a busy machine."""
    with running_homeserver(tmp_path, more_module={"search_timeout_ms": 200}) as running:
        yield running


async def test_a_directory_that_hangs_costs_a_search_its_time_and_no_more(homeserver_in_a_hurry: Homeserver) -> None:
    """Also if the token for the search is missing; it is asked for once for all, and found by a later search."""
    homeserver, directory = homeserver_in_a_hurry, homeserver_in_a_hurry.directory
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis Eilig")
    directory.hangs_for_s, before = 30, directory.asked_for_tokens
    try:
        began = time.monotonic()
        answers = await asyncio.gather(*(search(homeserver, person, "eilig") for _ in range(3)))
        assert time.monotonic() - began < 2, "the budget is 0.2 s"
        assert answers == [{"limited": True, "results": []}] * 3
        assert directory.asked_for_tokens == before + 1
    finally:
        directory.hangs_for_s = 0

    async def is_found() -> bool:
        return [one["user_id"] for one in (await search(homeserver, person, "eilig"))["results"]] == [practice.user_id]

    await homeserver.until_async(is_found)


async def test_nobody_finds_an_insured_person(homeserver: Homeserver) -> None:
    person, device, _, _ = await homeserver.care_room()
    agent = await homeserver.new_agent("berg")
    for who in (person, device, agent):
        for term in ("Erika", "Muster", person.user_id):
            results = (await search(homeserver, who, term))["results"]
            assert all(one["user_id"] != person.user_id for one in results)


async def test_no_search_text_stands_in_the_log(homeserver: Homeserver) -> None:
    await search(homeserver, await homeserver.new_person(), "Psychotherapie")
    assert "Psychotherapie" in homeserver.directory.searched
    assert b"Psychotherapie" not in (homeserver.folder / "homeserver.log").read_bytes()


async def test_a_practice_is_shown_the_code_for_its_page_and_nobody_else_is(homeserver: Homeserver) -> None:
    practice = await homeserver.new_practice("Praxis mit Code")
    device, person = await homeserver.practice_device(practice), await homeserver.new_person()
    (hit,) = (await search(homeserver, device, " Anmeldecode "))["results"]
    assert hit["display_name"].startswith("KWTFB-XRDHM – Ihr Anmeldecode, gültig bis ")
    assert set(homeserver.directory.codes) == {practice.user_id}
    assert (await homeserver.create_room(device, hit["user_id"]))[0] == 403
    for who in (person, await homeserver.new_agent("berg")):
        assert (await search(homeserver, who, "anmeldecode"))["results"] == []
    assert set(homeserver.directory.codes) == {practice.user_id}
    assert b"KWTFB" not in (homeserver.folder / "homeserver.log").read_bytes()


async def test_without_the_directory_there_is_no_code(homeserver: Homeserver) -> None:
    device = await homeserver.practice_device(await homeserver.new_practice("Praxis ohne Code"))
    homeserver.directory.is_down = True
    try:
        assert await search(homeserver, device, "anmeldecode") == {"limited": True, "results": []}
    finally:
        homeserver.directory.is_down = False
