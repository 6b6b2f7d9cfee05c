"""The server-side cases of gematik's test suite, named after them; docs/gematik-test-cases.md is their table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.synapse_modules.federation import Federation
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, running_homeserver

_REPOSITORY = Path(__file__).parents[2]
_TABLE = _REPOSITORY / "docs/gematik-test-cases.md"
_EPA = "de.gematik.tim.account.permissionconfig.epa.v1"
_PRO = "de.gematik.tim.account.permissionconfig.pro.v1"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Homeserver]:
    """A homeserver as a network of gematik's wants it, with the settings that the table names."""
    folder = tmp_path_factory.mktemp("network")
    settings = {"redaction_max_age_hours": 24, "second_insured_by_practice": True}
    with running_homeserver(folder, more_module=settings) as running:
        yield running


@pytest.fixture
async def anybody() -> AsyncIterator[aiohttp.ClientSession]:
    """Somebody without a token."""
    async with aiohttp.ClientSession() as http:
        yield http


async def _permit(homeserver: Homeserver, who: SignedIn, kind: str, content: object) -> None:
    path = f"/user/{quote(who.user_id)}/account_data/{kind}"
    assert (await homeserver.call(who, "PUT", path, content))[0] == 200


async def _may_ask(homeserver: Homeserver, who: SignedIn, whom: str) -> int:
    return (await homeserver.create_room(who, whom))[0]


# -- UC03: federation ------------------------------------------------------------------------------


async def test_uc03_01_a_chat_with_somebody_outside_the_federation_is_refused(federation: Federation) -> None:
    person = await federation.ours.new_person()
    assert await _may_ask(federation.ours, person, "@somebody:matrix.org") == 403


async def test_uc03_02_an_invitation_of_somebody_outside_into_a_room_is_refused(federation: Federation) -> None:
    person, _, _, room = await federation.ours.care_room()
    status, answer = await federation.ours.invite(person, room, "@somebody:matrix.org")
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


async def test_uc03_09_01_insured_people_of_one_homeserver_cannot_invite_each_other(homeserver: Homeserver) -> None:
    one, other = await homeserver.new_person(), await homeserver.new_person("Max")
    assert await _may_ask(homeserver, one, other.user_id) == 403


async def test_uc03_09_02_not_even_if_the_other_allows_it(homeserver: Homeserver) -> None:
    one, other = await homeserver.new_person(), await homeserver.new_person("Max")
    await _permit(homeserver, other, _EPA, {"defaultSetting": "block all", "userExceptions": {one.user_id: {}}})
    assert await _may_ask(homeserver, one, other.user_id) == 403
    await _permit(homeserver, other, _EPA, {"defaultSetting": "allow all"})
    assert await _may_ask(homeserver, one, other.user_id) == 403


# -- UC04_9: two insured people whom a practice brings together ------------------------------------


async def test_uc04_9_a_practice_may_bring_a_second_insured_person_where_the_network_wants_it(
    network: Homeserver, homeserver: Homeserver
) -> None:
    for where, expected in ((network, 200), (homeserver, 403)):
        person, device, _, room = await where.care_room()
        second = await where.new_person("Max")
        assert (await where.invite(device, room, second.user_id))[0] == expected
        if expected == 200:
            assert await where.join(second, room) == 200
            assert (await where.send(second, room))[0] == 200
            assert (await where.send(person, room))[0] == 200


# -- UC05X: the group of insured people ------------------------------------------------------------


@pytest.mark.parametrize(("setting", "expected"), [("allow all", 403), ("block all", 200)])
async def test_uc05x_the_group_of_insured_people_is_the_exception(
    homeserver: Homeserver, setting: str, expected: int
) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    group = [{"groupName": "isInsuredPerson"}]
    await _permit(homeserver, device, _PRO, {"defaultSetting": setting, "groupExceptions": group})
    assert await _may_ask(homeserver, person, practice.user_id) == expected


# -- UC06X: the user directory ---------------------------------------------------------------------


async def test_uc06x_insured_people_do_not_find_each_other(homeserver: Homeserver) -> None:
    one, other = await homeserver.new_person("Erika Einzig"), await homeserver.new_person("Max Einzig")
    for who in (one, await homeserver.practice_device(await homeserver.new_practice("Praxis"))):
        for term in ("Einzig", other.user_id):
            status, found = await homeserver.call(who, "POST", "/user_directory/search", {"search_term": term})
            assert status == 200
            assert not {result["user_id"] for result in found["results"]} & {one.user_id, other.user_id}


# -- UC09X, UC16X: what a room is made of ----------------------------------------------------------


async def test_uc09x_a_room_has_version_10_and_gematiks_type_and_names_without_words(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    room_type = "de.gematik.tim.roomtype.default.v1"
    names = [
        {"type": "de.gematik.tim.room.name", "state_key": "", "content": {"name": "Befund"}},
        {"type": "de.gematik.tim.room.topic", "state_key": "", "content": {"topic": "Befund"}},
    ]
    status, made = await homeserver.create_room(
        person, practice.user_id, creation_content={"type": room_type}, initial_state=names
    )
    assert status == 200, made
    create = await homeserver.state(person, made["room_id"], "m.room.create")
    assert (create["room_version"], create["type"]) == ("10", room_type)
    assert await homeserver.state(person, made["room_id"], "de.gematik.tim.room.name") == {"name": ""}
    assert await homeserver.state(person, made["room_id"], "de.gematik.tim.room.topic") == {"topic": ""}


@pytest.mark.parametrize("where", ["creation_content", "beside it"])
async def test_uc09x_the_second_type_of_rooms_is_not_made(homeserver: Homeserver, where: str) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    kind = {"type": "de.gematik.tim.roomtype.default.v2"}
    more: dict[str, Any] = {"creation_content": kind} if where == "creation_content" else dict(kind)
    assert (await homeserver.create_room(person, practice.user_id, **more))[0] == 400


@pytest.mark.parametrize("version", ["1", "9", "11", "12"])
async def test_uc09x_other_room_versions_are_not_made(homeserver: Homeserver, version: str) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    status, _ = await homeserver.create_room(person, practice.user_id, room_version=version)
    assert status == 400


async def test_uc16x_05_a_room_is_invited_into_private_and_encrypted_by_default(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    status, made = await homeserver.call(person, "POST", "/createRoom", {"invite": [practice.user_id]})
    assert status == 200, made
    room = made["room_id"]
    assert (await homeserver.state(person, room, "m.room.join_rules"))["join_rule"] == "invite"
    assert (await homeserver.state(person, room, "m.room.history_visibility"))["history_visibility"] == "invited"
    assert (await homeserver.state(person, room, "m.room.encryption"))["algorithm"] == "m.megolm.v1.aes-sha2"


# -- UC10X: what is asked of the interface itself --------------------------------------------------


@pytest.mark.parametrize("path", ["/_matrix/media/v3/preview_url", "/_matrix/client/v1/media/preview_url"])
async def test_uc10x_01_02_no_previews_of_addresses(homeserver: Homeserver, path: str) -> None:
    person = await homeserver.new_person()
    headers = {"Authorization": f"Bearer {person.access_token}"}
    address = f"{homeserver.base}{path}?url=https://hek.de"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
        assert answer.status == 404


async def test_uc10x_03_old_media_addresses_give_no_file(
    homeserver: Homeserver, anybody: aiohttp.ClientSession
) -> None:
    person = await homeserver.new_person()
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with anybody.post(f"{homeserver.base}/_matrix/media/v3/upload", data=b"x" * 64, headers=headers) as answer:
        assert answer.status == 200
        place = (await answer.json())["content_uri"].removeprefix("mxc://")
    for old in ("download", "thumbnail"):
        async with anybody.get(f"{homeserver.base}/_matrix/media/v3/{old}/{place}?width=32&height=32") as answer:
            assert answer.status in {400, 404}
    async with anybody.get(f"{homeserver.base}/_matrix/client/v1/media/download/{place}", headers=headers) as answer:
        assert answer.status == 200


async def test_uc10x_04_09_the_operators_contact_is_told_and_not_deleted(
    homeserver: Homeserver, anybody: aiohttp.ClientSession
) -> None:
    address = f"{homeserver.base}/.well-known/matrix/support"
    async with anybody.get(address) as answer:
        assert answer.status == 200
        content = await answer.json()
        assert content["contacts"] or content["support_page"]
    async with anybody.delete(address) as answer:
        assert answer.status == 405


@pytest.mark.parametrize("part", ["", "/displayname", "/avatar_url"])
async def test_uc10x_05_07_profiles_need_a_sign_in_and_a_common_room(homeserver: Homeserver, part: str) -> None:
    person, stranger = await homeserver.new_person(), await homeserver.new_person("Max")
    path = f"/profile/{quote(person.user_id)}{part}"
    assert (await homeserver.call(None, "GET", path))[0] == 401
    assert (await homeserver.call(stranger, "GET", path))[0] == 403


async def test_uc10x_08_what_matrix_does_not_know_is_told_as_matrix_says(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    assert (await homeserver.call(person, "GET", "/no/such/endpoint"))[0] == 404
    assert (await homeserver.call(person, "DELETE", "/account/whoami"))[0] == 405


# -- UC13X: neither public nor open ----------------------------------------------------------------


@pytest.mark.parametrize(
    "asked",
    [
        {"visibility": "public"},
        {"preset": "public_chat"},
        {"initial_state": [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "public"}}]},
        {"initial_state": [{"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}]},
        {
            "initial_state": [
                {
                    "type": "m.room.history_visibility",
                    "state_key": "",
                    "content": {"history_visibility": "world_readable"},
                }
            ]
        },
        {"initial_state": [{"type": "m.room.encryption", "state_key": "", "content": {"algorithm": "none"}}]},
    ],
)
async def test_uc13x_05_01_no_public_or_unencrypted_room_is_made(homeserver: Homeserver, asked: dict[str, Any]) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    rooms = homeserver.count("rooms")
    assert (await homeserver.create_room(person, practice.user_id, **asked))[0] == 400
    assert homeserver.count("rooms") == rooms


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
        ("m.room.join_rules", {"join_rule": "public"}),
        ("m.room.join_rules", {"join_rule": "knock"}),
        ("m.room.encryption", {"algorithm": "none"}),
    ],
)
async def test_uc13x_05_02_no_room_is_opened_afterwards(
    homeserver: Homeserver, event_type: str, content: dict[str, Any]
) -> None:
    person, device, _, room = await homeserver.care_room()
    before = await homeserver.state(person, room, event_type)
    for who in (person, device):
        status, _ = await homeserver.call(who, "PUT", f"/rooms/{quote(room)}/state/{event_type}", content)
        assert status == 403
    assert await homeserver.state(person, room, event_type) == before


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_uc13x_05_05_06_the_list_of_public_rooms_is_closed(homeserver: Homeserver, method: str) -> None:
    person = await homeserver.new_person()
    status, answer = await homeserver.call(person, method, "/publicRooms", {} if method == "POST" else None)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")


# -- UC14X: own messages are deleted ---------------------------------------------------------------


async def _delete(homeserver: Homeserver, who: SignedIn, room: str, event_id: str, number: int = 1) -> int:
    path = f"/rooms/{quote(room)}/redact/{quote(event_id)}/{number}"
    return (await homeserver.call(who, "PUT", path, {}))[0]


async def test_uc14x_an_own_message_is_deleted_for_both_and_it_shows(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    _, sent = await homeserver.send(person, room)
    assert await _delete(homeserver, device, room, sent["event_id"]) == 403
    assert await _delete(homeserver, person, room, sent["event_id"]) == 200
    for who in (person, device):
        _, event = await homeserver.call(who, "GET", f"/rooms/{quote(room)}/event/{quote(sent['event_id'])}")
        assert event["content"] == {}
        assert event["unsigned"]["redacted_because"]["sender"] == person.user_id


async def test_uc14x_after_24_hours_where_the_network_wants_it_and_at_any_time_elsewhere(
    network: Homeserver, homeserver: Homeserver
) -> None:
    for where, expected in ((network, 403), (homeserver, 200)):
        person, _, _, room = await where.care_room()
        _, sent = await where.send(person, room)
        where.change_row("UPDATE events SET received_ts = received_ts - 90000000 WHERE event_id = ?", sent["event_id"])
        assert await _delete(where, person, room, sent["event_id"]) == expected


# -- UC17X: leaving and forgetting -----------------------------------------------------------------


async def test_uc17x_who_left_still_reads_what_there_was_until_it_is_forgotten(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    _, sent = await homeserver.send(device, room)
    path = f"/rooms/{quote(room)}"
    assert (await homeserver.call(person, "POST", f"{path}/leave", {}))[0] == 200
    _, answer = await homeserver.call(person, "GET", f"{path}/messages?dir=b&limit=20")
    assert sent["event_id"] in {event["event_id"] for event in answer["chunk"]}
    assert (await homeserver.call(person, "POST", f"{path}/forget", {}))[0] == 200
    assert (await homeserver.call(person, "GET", f"{path}/messages?dir=b&limit=20"))[0] == 403
    assert (await homeserver.call(device, "GET", f"{path}/messages?dir=b&limit=20"))[0] == 200


# -- The table -------------------------------------------------------------------------------------


def test_the_table_names_tests_that_there_are_and_every_one_of_these() -> None:
    rows = [
        line.split("|")[1:-1]
        for line in _TABLE.read_text(encoding="utf-8").splitlines()
        if line.startswith(("| UC", "| A_"))
    ]
    assert len(rows) > 25
    named: set[str] = set()
    for case, _asked, result, shown_by in ([cell.strip() for cell in row] for row in rows):
        assert result.split(":")[0] in {"pass", "differs on purpose", "not applicable"}, case
        tests = re.findall(r"`([\w/]+\.py)::(\w+)`", shown_by)
        assert bool(tests) is not result.startswith("not applicable"), case
        for file, test in tests:
            assert f"def {test}(" in (_REPOSITORY / "tests" / file).read_text(encoding="utf-8"), test
            named.add(test)
    own = set(re.findall(r"def (test_uc\w+)\(", Path(__file__).read_text(encoding="utf-8")))
    assert own <= named
