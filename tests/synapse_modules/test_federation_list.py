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


_ROOM = "!any:example"
ASKED: list[tuple[str, str, object]] = [
    ("PUT", "/v1/send/1", {"origin": "x", "origin_server_ts": 1, "pdus": [], "edus": []}),
    ("PUT", f"/v2/invite/{_ROOM}/$1", {"room_version": "10", "event": {}, "invite_room_state": []}),
    ("GET", f"/v1/make_join/{_ROOM}/@a:example?ver=10", None),
    ("PUT", f"/v2/send_join/{_ROOM}/$1", {}),
    ("GET", f"/v1/make_knock/{_ROOM}/@a:example?ver=10", None),
    ("PUT", f"/v1/send_knock/{_ROOM}/$1", {}),
    ("GET", f"/v1/make_leave/{_ROOM}/@a:example", None),
    ("GET", f"/v1/state/{_ROOM}?event_id=$1", None),
    ("GET", f"/v1/state_ids/{_ROOM}?event_id=$1", None),
    ("GET", f"/v1/backfill/{_ROOM}?v=$1&limit=1", None),
    ("GET", "/v1/event/$1", None),
    ("GET", f"/v1/event_auth/{_ROOM}/$1", None),
    ("POST", f"/v1/get_missing_events/{_ROOM}", {}),
    ("GET", f"/v1/hierarchy/{_ROOM}", None),
    ("GET", "/v1/query/profile?user_id=@a:example", None),
    ("GET", "/v1/query/directory?room_alias=a", None),
    ("POST", "/v1/user/keys/query", {"device_keys": {}}),
    ("POST", "/v1/user/keys/claim", {"one_time_keys": {}}),
    ("GET", "/v1/user/devices/@a:example", None),
    ("GET", "/v1/media/download/abc", None),
    ("GET", "/v1/media/thumbnail/abc?width=1&height=1", None),
]


@pytest.mark.parametrize(("method", "path", "body"), ASKED, ids=[path.split("?")[0] for _, path, _ in ASKED])
async def test_an_unlisted_server_gets_in_nowhere(federation: Federation, method: str, path: str, body: object) -> None:
    """And a listed one does: it is the list that refuses, not the request."""
    address = f"/_matrix/federation{path}"
    status, answer = await federation.stranger.request(method, address, body)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "Federation denied" in answer["error"]
    _, answer = await federation.hostile.request(method, address, body)
    assert "Federation denied" not in str(answer)


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
    """Fails closed, and opens again as soon as the publisher answers; whoever asks somebody there can tell."""
    ours, there = federation.ours, federation.hostile.user("praxis-that-nobody-found")
    person, practice = await ours.new_person(), await ours.practice_device(await ours.new_practice("Praxis"))
    federation.lists.is_down = True
    try:
        federation.ours.change_row("UPDATE hek_federation_list SET confirmed_at = confirmed_at - ?", 73 * 3_600_000)
        await federation.ours.until_async(lambda: _is_closed(federation))
        told = [await ours.create_room(who, there) for who in (person, practice)]
    finally:
        federation.lists.is_down = False
    await federation.ours.until_async(lambda: is_heard(federation, federation.hostile))
    told += [await ours.create_room(who, there) for who in (person, practice)]
    assert [(status, answer["errcode"]) for status, answer in told] == [
        (403, "DE.HEK_TRY_LATER"),
        (403, "DE.HEK_TRY_LATER"),
        (403, "M_FORBIDDEN"),
        (403, "M_FORBIDDEN"),
    ]


async def _is_closed(federation: Federation) -> bool:
    return not await is_heard(federation, federation.hostile)


async def test_what_the_list_says_is_in_the_database_for_the_next_start(federation: Federation) -> None:
    rows = federation.ours.rows("SELECT domain, is_insurance, iks FROM hek_federation_server ORDER BY domain")
    assert (federation.insurer.server_name, 1, OTHER_IK) in rows
    assert (federation.hostile.server_name, 0, "") in rows
