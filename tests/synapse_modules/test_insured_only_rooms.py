"""Chats that are left to insured people alone, on a real Synapse that is killed in between."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, running_homeserver
from tests.synapse_modules.test_membership_killed import add_switch, died, restart

_STORE = "synapse_modules.store.insured_only_rooms:InsuredOnlyRooms"
_POINTS = (
    f"{_STORE}.tell after 1",
    f"{_STORE}.emptying after 1",
    "synapse.module_api:ModuleApi.update_room_membership after 1",
    f"{_STORE}.forget before 1",
)


@pytest.fixture(scope="module")
def homeserver_of_pairs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver of its own where practices bring relatives in, that looks every second and can be killed."""
    folder = tmp_path_factory.mktemp("pairs")
    more = {"second_insured_by_practice": True, "insured_only_rooms": {"grace_days": 7, "look_every_s": 1}}
    with running_homeserver(folder, more_module=more) as homeserver:
        add_switch(folder)
        yield homeserver


async def leave(homeserver: Homeserver, who: SignedIn, room: str) -> None:
    assert (await homeserver.call(who, "POST", f"/rooms/{quote(room)}/leave", {}))[0] == 200


def told(homeserver: Homeserver, room: str) -> list[str]:
    query = "SELECT user_id FROM hek_change WHERE what = 'left-alone' AND room_id = ?"
    return sorted(user_id for (user_id,) in homeserver.rows(query, room))


def present(homeserver: Homeserver, room: str) -> set[str]:
    query = "SELECT user_id FROM local_current_membership WHERE room_id = ? AND membership = 'join'"
    return {user_id for (user_id,) in homeserver.rows(query, room)}


def is_noted(homeserver: Homeserver, room: str) -> bool:
    return bool(homeserver.rows("SELECT 1 FROM hek_insured_only_room WHERE room_id = ?", room))


def week_passes(homeserver: Homeserver, room: str) -> None:
    homeserver.change_row("UPDATE hek_insured_only_room SET told_at = told_at - 604800000 WHERE room_id = ?", room)


async def pair(homeserver: Homeserver) -> tuple[SignedIn, SignedIn, SignedIn, str]:
    person, device, _, room = await homeserver.care_room()
    relative = await homeserver.new_person("Max Muster")
    assert (await homeserver.invite(device, room, relative.user_id))[0] == 200
    assert await homeserver.join(relative, room) == 200
    return person, relative, device, room


async def test_two_who_are_left_are_told_and_taken_out_after_a_week_wherever_it_is_killed(
    homeserver_of_pairs: Homeserver,
) -> None:
    homeserver = homeserver_of_pairs
    person, relative, device, room = await pair(homeserver)
    restart(homeserver, _POINTS[0])
    await leave(homeserver, device, room)
    await homeserver.until(lambda: died(homeserver), 60)
    both = sorted([person.user_id, relative.user_id])
    assert told(homeserver, room) == both
    assert present(homeserver, room) == set(both), "not before the time is over"
    week_passes(homeserver, room)
    for point in _POINTS[1:]:
        restart(homeserver, point)
        await homeserver.until(lambda: died(homeserver), 60)
    assert present(homeserver, room) == set()
    restart(homeserver)
    await homeserver.until(lambda: not is_noted(homeserver, room), 60)
    assert told(homeserver, room) == both
    audit = "SELECT user_id FROM hek_audit WHERE reason = 'insured-people-only' AND room_id = ? ORDER BY user_id"
    assert [user_id for (user_id,) in homeserver.rows(audit, room)] == both
    status, answer = await homeserver.call(person, "GET", f"/rooms/{quote(room)}/messages?dir=b&limit=5")
    assert (status, bool(answer["chunk"])) == (200, True), "what was written until then can still be read"


async def test_one_who_is_left_is_told_first_and_an_invitation_stops_it(homeserver_of_pairs: Homeserver) -> None:
    homeserver = homeserver_of_pairs
    person, device, practice, room = await homeserver.care_room()
    await leave(homeserver, device, room)
    await homeserver.until(lambda: is_noted(homeserver, room), 60)
    assert told(homeserver, room) == [person.user_id]
    assert (await homeserver.invite(person, room, practice.user_id))[0] == 200
    week_passes(homeserver, room)
    await homeserver.until(lambda: not is_noted(homeserver, room), 60)
    assert present(homeserver, room) == {person.user_id}


async def test_a_request_that_was_declined_is_told_and_one_that_waits_is_not(homeserver_of_pairs: Homeserver) -> None:
    homeserver = homeserver_of_pairs
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    rooms = [(await homeserver.create_room(person, practice.user_id))[1]["room_id"] for _ in range(2)]
    await leave(homeserver, device, rooms[0])
    await homeserver.until(lambda: is_noted(homeserver, rooms[0]), 60)
    assert told(homeserver, rooms[0]) == [person.user_id]
    assert told(homeserver, rooms[1]) == []


def remembers(homeserver: Homeserver, room: str) -> set[str]:
    query = "SELECT user_id FROM room_memberships WHERE room_id = ? AND forgotten = 0"
    return {user_id for (user_id,) in homeserver.rows(query, room)}


async def test_a_request_that_came_to_nothing_is_forgotten_by_both_sides_after_a_week(
    homeserver_of_pairs: Homeserver,
) -> None:
    homeserver = homeserver_of_pairs
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    ended, fresh, waits = [(await homeserver.create_room(person, practice.user_id))[1]["room_id"] for _ in range(3)]
    _, _, _, chat = await homeserver.care_room()
    for room in (ended, fresh):
        await leave(homeserver, device, room)
        await leave(homeserver, person, room)
    longer_ago = "UPDATE events SET received_ts = received_ts - 604800000 WHERE room_id = ?"
    for room in (ended, waits, chat):
        homeserver.change_row(longer_ago, room)
    await homeserver.until(lambda: not remembers(homeserver, ended), 60)
    both = {person.user_id, practice.user_id}
    assert remembers(homeserver, fresh) == both, "a device that was away has yet to learn of it"
    assert remembers(homeserver, waits) == both
    assert remembers(homeserver, chat)
    assert (await homeserver.call(person, "GET", f"/rooms/{quote(ended)}/state"))[0] == 403
    assert (await homeserver.call(person, "GET", f"/rooms/{quote(fresh)}/state"))[0] == 200
