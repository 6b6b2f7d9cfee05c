"""What is sent later or by an administrator meets the same rules: delayed events, server notices, upgrades."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from tests.synapse_modules.federation import Federation, sync
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, Homeserver, SignedIn
from tests.synapse_modules.session_to_lock import call

_WORDS = "words in clear"


def _state(ours: Homeserver, room: str) -> list[tuple[Any, ...]]:
    """Which event is the state of what in a room."""
    query = "SELECT type, state_key, event_id FROM current_state_events WHERE room_id = ? ORDER BY type, state_key"
    return ours.rows(query, room)


async def _schedule(
    ours: Homeserver, who: SignedIn, room: str, kind: str, content: Mapping[str, Any], *, is_state: bool
) -> int:
    """Has an event sent in a moment; the status of the answer."""
    where = f"state/{kind}" if is_state else f"send/{kind}/{secrets.token_hex(8)}"
    path = f"/_matrix/client/v3/rooms/{quote(room)}/{where}?org.matrix.msc4140.delay=1"
    status, _ = await call(ours, who, "PUT", path, dict(content))
    return status


async def test_a_delayed_event_is_judged_when_it_is_sent(federation: Federation) -> None:
    """Whoever schedules it: what may not be said at once is not said later, and what may be said comes."""
    ours = federation.ours
    person, device, _, room = await ours.care_room()
    before = _state(ours, room)
    later: list[tuple[str, dict[str, Any], bool]] = [
        ("m.room.message", {"msgtype": "m.text", "body": _WORDS}, False),
        ("m.room.encrypted", CIPHERTEXT | {"body": _WORDS}, False),
        ("org.example.note", {"body": _WORDS}, False),
        ("m.room.topic", {"topic": _WORDS}, True),
        ("m.room.encryption", {}, True),
        ("m.room.join_rules", {"join_rule": "public"}, True),
        ("m.room.tombstone", {"body": _WORDS, "replacement_room": "!other:hek.test"}, True),
    ]
    for who in (person, device):
        for kind, content, is_state in later:
            assert await _schedule(ours, who, room, kind, content, is_state=is_state) in {200, 400, 403}
        assert await _schedule(ours, who, room, "m.room.encrypted", CIPHERTEXT, is_state=False) == 200
    await ours.until(
        lambda: ours.rows("SELECT 1 FROM delayed_events WHERE room_id = ? AND NOT is_processed", room) == []
    )
    sent = "SELECT sender FROM events WHERE room_id = ? AND type = 'm.room.encrypted' ORDER BY stream_ordering"
    await ours.until(lambda: {who for (who,) in ours.rows(sent, room)} == {person.user_id, device.user_id})
    assert len(ours.rows(sent, room)) == 2
    assert _state(ours, room) == before
    for who in (person, device):
        assert _WORDS not in str(await sync(ours, who))


async def test_a_server_notice_reaches_nobody_and_makes_no_room(federation: Federation) -> None:
    """It would be words in clear, from an account that belongs to no one."""
    ours = federation.ours
    person, device, _, room = await ours.care_room()
    operator = await ours.own_account(f"@operator:{ours.server_name}", "operator")
    rooms = ours.count("rooms")
    for user_id in (person.user_id, device.user_id):
        body = {"user_id": user_id, "content": {"msgtype": "m.text", "body": _WORDS}}
        status, answer = await call(ours, operator, "POST", "/_synapse/admin/v1/send_server_notice", body)
        assert (status, answer["errcode"]) == (403, "M_FORBIDDEN"), answer
        assert " / " in answer["error"]
    assert ours.count("rooms") == rooms
    for who in (person, device):
        seen = (await sync(ours, who))["rooms"]
        assert (list(seen["join"]), seen.get("invite")) == ([room], None)
        assert _WORDS not in str(seen)


@pytest.mark.parametrize("who", ["the person", "the practice", "an administrator"])
async def test_nobody_replaces_a_chat_by_a_room_of_another_version(federation: Federation, who: str) -> None:
    ours = federation.ours
    person, device, _, room = await ours.care_room()
    operator = await ours.own_account(f"@operator:{ours.server_name}", "operator")
    upgrading = {"the person": person, "the practice": device, "an administrator": operator}[who]
    before, rooms = _state(ours, room), ours.count("rooms")
    status, answer = await ours.call(upgrading, "POST", f"/rooms/{quote(room)}/upgrade", {"new_version": "11"})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN"), answer
    assert " / " in answer["error"]
    assert (_state(ours, room), ours.count("rooms")) == (before, rooms)
    assert (await ours.send(person, room))[0] == 200
