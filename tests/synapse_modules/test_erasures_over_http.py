"""Erasure against a real Synapse, with the database and the media store as witnesses."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.synapse_modules.homeserver_under_test import SUPPORT, Homeserver, SignedIn

_CONTENT = {"algorithm": "m.megolm.v1.aes-sha2", "ciphertext": "QUFB-unmistakable-ciphertext"}


async def upload(homeserver: Homeserver, who: SignedIn) -> str:
    headers = {"Authorization": f"Bearer {who.access_token}", "Content-Type": "application/octet-stream"}
    address = f"{homeserver.base}/_matrix/media/v3/upload"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, data=b"encrypted file") as answer:
        return str((await answer.json())["content_uri"])


async def erase(homeserver: Homeserver, room: str, before: int, *media: str) -> tuple[int, Any]:
    body = {"room_id": room, "before": before, "media": list(media)}
    return await homeserver.machine("retention", "erasure:act", "POST", "/v1/erasures", body)


async def support_room(homeserver: Homeserver) -> tuple[SignedIn, SignedIn, str]:
    person, bot = await homeserver.new_person(), await homeserver.own_account(SUPPORT, "bot")
    _, made = await homeserver.create_room(person, SUPPORT)
    assert await homeserver.join(bot, made["room_id"]) == 200
    return person, bot, made["room_id"]


def messages(homeserver: Homeserver, room: str) -> list[str]:
    query = "SELECT event_id FROM events WHERE room_id = ? AND state_key IS NULL ORDER BY stream_ordering"
    return [event_id for (event_id,) in homeserver.rows(query, room)]


def now_ms() -> int:
    return round(time.time() * 1000)


async def test_everything_is_erased_and_the_room_goes_on(homeserver: Homeserver) -> None:
    person, bot, room = await support_room(homeserver)
    media = [await upload(homeserver, person), await upload(homeserver, bot)]
    files = [path for path in homeserver.folder.glob("media/local_content/**/*") if path.is_file()]
    sent = [(await homeserver.send(sender, room, content=_CONTENT))[1]["event_id"] for sender in (person, bot, person)]
    thread = _CONTENT | {"m.relates_to": {"rel_type": "m.thread", "event_id": sent[0]}}
    sent.append((await homeserver.send(bot, room, content=thread))[1]["event_id"])
    await homeserver.call(person, "POST", f"/rooms/{quote(room)}/receipt/m.read/{quote(sent[-1])}", {})
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": sent[0], "key": "👍"}}
    sent.append((await homeserver.send(person, room, "m.reaction", reaction))[1]["event_id"])
    for _ in range(2):
        status, answer = await erase(homeserver, room, now_ms() + 1, *media)
        assert (status, answer) == (200, {"remaining_events": 0, "remaining_media": 0})
    assert messages(homeserver, room) == []
    for table, column in (
        ("event_json", "event_id"),
        ("event_relations", "relates_to_id"),
        ("event_edges", "event_id"),
        ("event_search", "event_id"),
        ("stream_ordering_to_exterm", "event_id"),
        ("event_txn_id_device_id", "event_id"),
        ("receipts_linearized", "event_id"),
        ("threads", "thread_id"),
    ):
        for event_id in sent:
            assert homeserver.rows(f"SELECT 1 FROM {table} WHERE {column} = ?", event_id) == [], table
    assert homeserver.rows("SELECT 1 FROM event_json WHERE json LIKE '%unmistakable%' AND room_id = ?", room) == []
    for mxc in media:
        media_id = mxc.rpartition("/")[2]
        assert homeserver.rows("SELECT 1 FROM local_media_repository WHERE media_id = ?", media_id) == []
        assert not any(str(path).replace("/", "").endswith(media_id) for path in files if path.exists())
    assert (await homeserver.send(person, room))[0] == 200


async def test_what_is_younger_stays(homeserver: Homeserver) -> None:
    person, bot, room = await support_room(homeserver)
    for sender in (person, bot):
        await homeserver.send(sender, room, content=_CONTENT)
    border = now_ms() + 1
    await homeserver.until(lambda: now_ms() > border)
    kept = [(await homeserver.send(sender, room))[1]["event_id"] for sender in (bot, person)]
    status, answer = await erase(homeserver, room, border)
    assert (status, answer) == (200, {"remaining_events": 0, "remaining_media": 0})
    assert messages(homeserver, room) == kept
    _, history = await homeserver.call(person, "GET", f"/rooms/{quote(room)}/messages?dir=b")
    assert [event["event_id"] for event in history["chunk"] if event["type"] == "m.room.encrypted"] == kept[::-1]


async def test_without_an_account_of_ours_in_the_room_the_answer_says_what_remains(homeserver: Homeserver) -> None:
    person, bot, room = await support_room(homeserver)
    await homeserver.send(person, room)
    await homeserver.call(bot, "POST", f"/rooms/{quote(room)}/leave", {})
    assert await erase(homeserver, room, now_ms() + 1) == (200, {"remaining_events": 1, "remaining_media": 0})


async def test_chats_with_practices_are_not_the_insurers_to_erase(homeserver: Homeserver) -> None:
    person, _, _, room = await homeserver.care_room()
    await homeserver.send(person, room)
    media = await upload(homeserver, person)
    for not_ours in (room, "!unknown:hek.test"):
        status, answer = await erase(homeserver, not_ours, now_ms() + 1, media)
        assert (status, answer["type"]) == (409, "urn:hek-messenger:problem:not-erasable")
    assert len(messages(homeserver, room)) == 1
    media_id = media.rpartition("/")[2]
    assert homeserver.rows("SELECT 1 FROM local_media_repository WHERE media_id = ?", media_id) == [(1,)]


async def test_what_a_person_names_beyond_her_conversation_survives_and_hinders_nothing(homeserver: Homeserver) -> None:
    person, _, room = await support_room(homeserver)
    practice = await homeserver.practice_device(await homeserver.new_practice("Praxis"))
    named, own = await upload(homeserver, practice), await upload(homeserver, person)
    await homeserver.send(person, room)
    foreign = ("mxc://elsewhere.example/abc", "mxc://hek.test/../../etc/passwd", "abc", "mxc://hek.test/unknown")
    answer = await erase(homeserver, room, now_ms() + 1, *foreign, named, own)
    assert answer == (200, {"remaining_events": 0, "remaining_media": 0})
    query = "SELECT 1 FROM local_media_repository WHERE media_id = ?"
    assert homeserver.rows(query, named.rpartition("/")[2]) == [(1,)]
    assert homeserver.rows(query, own.rpartition("/")[2]) == []
    address = f"{homeserver.base}/_matrix/client/v1/media/download/{named.removeprefix('mxc://')}"
    headers = {"Authorization": f"Bearer {practice.access_token}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as download:
        assert await download.read() == b"encrypted file"


async def test_media_of_a_wrong_type_are_refused(homeserver: Homeserver) -> None:
    body = {"room_id": "!r:hek.test", "before": 0, "media": [7]}
    status, answer = await homeserver.machine("retention", "erasure:act", "POST", "/v1/erasures", body)
    assert (status, answer["errors"][0]["field"]) == (400, "media.0")


async def test_what_an_interrupted_erasure_left_is_cleared_by_the_next(homeserver: Homeserver) -> None:
    person, _, room = await support_room(homeserver)
    leftover = "INSERT INTO threads (room_id, thread_id, latest_event_id, topological_ordering, stream_ordering)"
    homeserver.change_row(f"{leftover} VALUES (?, '$gone', '$gone', 1, 1)", room)
    assert (await erase(homeserver, room, 0))[0] == 200
    assert homeserver.rows("SELECT 1 FROM threads WHERE room_id = ?", room) == []
    assert (await homeserver.send(person, room))[0] == 200
