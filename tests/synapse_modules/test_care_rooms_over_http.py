"""Retention's calls about chats with practices against a real Synapse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from messenger_core.calendar_periods import to_milliseconds
from tests.synapse_modules.homeserver_under_test import SUPPORT, Homeserver, SignedIn

SCOPE = "retention:act"


def later(days: float) -> datetime:
    return datetime.now(UTC) + timedelta(days=days)


async def idle(homeserver: Homeserver, as_of: datetime) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    page: str | None = ""
    while page is not None:
        query: dict[str, str | int] = {"as_of": as_of.isoformat(), **({"page": page} if page else {})}
        status, answer = await homeserver.machine("retention", SCOPE, "GET", "/v1/care-rooms/idle", query=query)
        assert status == 200, answer
        found |= {room["room_id"]: room for room in answer["rooms"]}
        page = answer["next"]
    return found


async def act(
    homeserver: Homeserver, what: str, person: SignedIn, *rooms: str, consented_at: datetime | None = None
) -> dict[str, Any]:
    body = {
        "user_id": person.user_id,
        "room_ids": list(rooms),
        "consent_event_id": "$consent",
        "consented_at": to_milliseconds(consented_at or later(1)),
    }
    status, answer = await homeserver.machine("retention", SCOPE, "POST", f"/v1/care-rooms/{what}", body)
    assert status == 200, answer
    return dict(answer)


async def test_a_chat_is_idle_when_its_last_message_is_older_than_the_persons_period(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    await homeserver.send(device, room)
    assert room not in await idle(homeserver, later(150))
    found = await idle(homeserver, later(200))
    assert found[room]["user_id"] == person.user_id
    [(received,)] = homeserver.rows(
        "SELECT MAX(received_ts) FROM events WHERE room_id = ? AND type = 'm.room.encrypted'", room
    )
    assert found[room]["last_message_at"] == received
    body = {"user_id": person.user_id, "months": None}
    await homeserver.machine("retention", SCOPE, "PUT", "/v1/insured/retention", body)
    assert room not in await idle(homeserver, later(4000))


@pytest.mark.parametrize(
    "as_of", ["2026-11-24", "2026-11-24T00:00:00", "1793491200", "tomorrow", "0001-01-01T00:00:00Z"]
)
async def test_moments_without_a_zone_are_refused(homeserver: Homeserver, as_of: str) -> None:
    query: dict[str, str | int] = {"as_of": as_of}
    status, answer = await homeserver.machine("retention", SCOPE, "GET", "/v1/care-rooms/idle", query=query)
    assert (status, answer["errors"][0]["field"]) == (400, "as_of")


async def test_a_person_leaves_and_forgets_while_the_practice_keeps_everything(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    await homeserver.send(device, room)
    assert (await act(homeserver, "forget", person, room))["refused"] == [{"room_id": room, "reason": "still-a-member"}]
    for what in ("leave", "leave", "forget", "forget"):
        assert await act(homeserver, what, person, room) == {"done": [room], "refused": []}
    assert (await homeserver.call(person, "GET", f"/rooms/{quote(room)}/messages?dir=b"))[0] == 403
    status, history = await homeserver.call(device, "GET", f"/rooms/{quote(room)}/messages?dir=b")
    assert status == 200
    assert "m.room.encrypted" in {event["type"] for event in history["chunk"]}
    audited = "SELECT DISTINCT what, reference FROM hek_audit WHERE room_id = ? ORDER BY what"
    assert homeserver.rows(audited, room) == [("care-room-forgotten", "$consent"), ("care-room-left", "$consent")]
    assert room not in await idle(homeserver, later(4000))


async def test_who_wrote_since_the_consent_stays_in_the_room(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    consented_at = later(-1)
    await homeserver.send(device, room)
    await homeserver.send(person, room)
    answer = await act(homeserver, "leave", person, room, consented_at=consented_at)
    assert answer["refused"] == [{"room_id": room, "reason": "written-since"}]
    assert room in (await homeserver.call(person, "GET", "/joined_rooms"))[1]["joined_rooms"]


async def test_only_the_persons_own_care_rooms_are_left(homeserver: Homeserver) -> None:
    person, _, _, room = await homeserver.care_room()
    _, support = await homeserver.create_room(person, SUPPORT)
    other, _, _, others_room = await homeserver.care_room()
    answer = await act(homeserver, "leave", person, support["room_id"], others_room, "!unknown:hek.test")
    assert answer["done"] == []
    assert {refusal["reason"] for refusal in answer["refused"]} == {"not-a-care-room"}
    practice = await homeserver.practice_device(await homeserver.new_practice("Praxis", opts_in=False))
    _, asked = await homeserver.create_room(practice, other.user_id)
    assert (await act(homeserver, "leave", other, asked["room_id"]))["refused"][0]["reason"] == "not-a-member"
    body = {"user_id": SUPPORT, "room_ids": [room], "consent_event_id": "$c", "consented_at": 0}
    assert (await homeserver.machine("retention", SCOPE, "POST", "/v1/care-rooms/leave", body))[0] == 404
