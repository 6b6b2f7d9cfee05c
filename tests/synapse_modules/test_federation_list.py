"""Whom our homeserver speaks with at all: those on the list, as soon and as long as the list says so."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.clients.hostile_server import HostileServer
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation import OTHER_IK, Federation
from tests.synapse_modules.federation_lists import ListSigner, entry

VERSION = "/_matrix/federation/v1/version"


async def is_heard(federation: Federation, server: HostileServer) -> bool:
    status, answer = await server.request("GET", VERSION)
    assert status == (200 if "server" in answer else 403), (status, answer)
    return status == 200


@contextmanager
def listed_beside(federation: Federation, *more: dict[str, Any]) -> Iterator[None]:
    """Publishes the list with more entries, and as it was when the test is done."""
    federation.lists.publish(*federation.listed, *more)
    try:
        yield
    finally:
        federation.lists.publish(*federation.listed)


async def a_while_after_the_last_miss() -> None:
    """The scene asks its publisher once a second at most."""
    await asyncio.sleep(1.1)


async def test_who_is_on_the_list_is_heard_and_nobody_else(federation: Federation) -> None:
    assert await is_heard(federation, federation.hostile)
    assert await is_heard(federation, federation.insurer)
    assert not await is_heard(federation, federation.stranger)


async def test_who_does_not_say_who_he_is_is_told_nothing(federation: Federation) -> None:
    """A_26331: not even the version."""
    status, _ = await federation.hostile.request("GET", VERSION, signed=False)
    assert status == 401


async def test_public_rooms_are_not_told_to_other_servers(federation: Federation) -> None:
    """A_26520."""
    status, _ = await federation.hostile.request("GET", "/_matrix/federation/v1/publicRooms")
    assert status == 403


async def test_a_server_that_was_just_put_on_the_list_is_heard_at_its_first_request(federation: Federation) -> None:
    """A_25537; and once it is struck off it is not heard any more."""
    await a_while_after_the_last_miss()
    with listed_beside(federation, entry(federation.stranger.server_name)):
        assert await is_heard(federation, federation.stranger)
    # Nobody asks for those that are known; the next miss, or the next hour, brings the newer list.
    await a_while_after_the_last_miss()
    await federation.stranger.request("GET", VERSION, origin="unknown.example")
    assert not await is_heard(federation, federation.stranger)


async def test_a_flood_of_unlisted_names_asks_the_publisher_once(federation: Federation) -> None:
    await a_while_after_the_last_miss()
    asked = federation.lists.asked
    answers = await asyncio.gather(
        *(federation.stranger.request("GET", VERSION, origin=f"made-up-{number}.example") for number in range(30))
    )
    assert {status for status, _ in answers} == {403}
    assert 1 <= federation.lists.asked - asked <= 3, "the flood took longer than a second at most twice"


@pytest.mark.parametrize("how", ["down", "older", "another signer", "no list"])
async def test_the_stored_list_stays_whatever_the_publisher_answers(federation: Federation, how: str) -> None:
    lists, stored = federation.lists, federation.ours.rows("SELECT version FROM hek_federation_list")
    everybody = {"version": lists.version - 1, "domainList": [entry(federation.stranger.server_name)]}
    stranger = ListSigner("ES256", CertificateAuthority("Federation list root"))
    lists.is_down = how == "down"
    lists.answer = {
        "older": lists.sign(everybody),
        "another signer": stranger.sign(everybody | {"version": lists.version + 1}),
        "no list": "<html>",
    }.get(how)
    try:
        await a_while_after_the_last_miss()
        asked = lists.asked
        assert not await is_heard(federation, federation.stranger)
        assert lists.asked > asked
        assert await is_heard(federation, federation.hostile)
    finally:
        lists.is_down, lists.answer = False, None
    assert federation.ours.rows("SELECT version FROM hek_federation_list") == stored


async def test_a_list_that_nobody_confirmed_for_too_long_admits_nobody(federation: Federation) -> None:
    """Fails closed, and opens again as soon as the publisher answers."""
    federation.lists.is_down = True
    try:
        federation.ours.change_row("UPDATE hek_federation_list SET confirmed_at = confirmed_at - ?", 73 * 3_600_000)
        await federation.ours.until_async(lambda: _is_closed(federation))
    finally:
        federation.lists.is_down = False
    await federation.ours.until_async(lambda: is_heard(federation, federation.hostile))


async def _is_closed(federation: Federation) -> bool:
    return not await is_heard(federation, federation.hostile)


async def test_what_the_list_says_is_in_the_database_for_the_next_start(federation: Federation) -> None:
    rows = federation.ours.rows("SELECT domain, is_insurance, iks FROM hek_federation_server ORDER BY domain")
    assert (federation.insurer.server_name, 1, OTHER_IK) in rows
    assert (federation.hostile.server_name, 0, "") in rows
