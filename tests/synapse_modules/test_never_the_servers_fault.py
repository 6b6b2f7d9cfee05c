"""Whatever a client writes, by whatever call, is answered as its own fault or done: never as the server's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, SUPPORT, Homeserver, SignedIn

_CALLS = (
    ("POST", "/createRoom"),
    ("POST", "/rooms/{room}/invite"),
    ("POST", "/rooms/{room}/kick"),
    ("POST", "/rooms/{room}/upgrade"),
    ("PUT", "/rooms/{room}/send/m.room.encrypted/{number}"),
    ("PUT", "/rooms/{room}/send/m.reaction/{number}"),
    ("PUT", "/rooms/{room}/redact/$event/{number}"),
    ("PUT", "/rooms/{room}/state/m.room.member/{other}"),
    ("PUT", "/rooms/{room}/state/m.room.join_rules"),
    ("PUT", "/rooms/{room}/state/de.gematik.tim.room.name"),
    ("PUT", "/user/{person}/account_data/de.gematik.tim.account.permissionconfig.epa.v1"),
    ("PUT", "/sendToDevice/m.room.encrypted/{number}"),
    ("POST", "/keys/query"),
    ("POST", "/keys/claim"),
    ("POST", "/user_directory/search"),
    ("POST", "/publicRooms"),
)
# Calls with a body that is in order but for one key, on whose form Synapse relies.
_PUSHER = {
    "kind": "http", "app_id": "app", "pushkey": "key", "app_display_name": "App", "device_display_name": "Phone",
    "lang": "de", "data": {"url": "https://push.example/_matrix/push/v1/notify"},
}  # fmt: skip
_KEYS: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    *(("POST", f"/rooms/{{room}}/{action}", {}, "user_id") for action in ("invite", "kick", "ban", "unban")),
    *(("POST", "/rooms/{room}/read_markers", {}, key) for key in ("m.read", "m.fully_read", "m.read.private")),
    ("POST", "/rooms/{room}/receipt/m.read/$event", {}, "thread_id"),
    ("PUT", "/rooms/{room}/typing/{own}", {"typing": True}, "timeout"),
    ("PUT", "/rooms/{room}/state/m.room.aliases", {}, "aliases"),
    ("PUT", "/rooms/{room}/state/m.room.create", {}, "creator"),
    ("PUT", "/rooms/{room}/send/m.room.member/{number}", {}, "membership"),
    ("PUT", "/rooms/{room}/send/m.room.redaction/{number}", {}, "redacts"),
    ("PUT", "/rooms/{room}/send/m.room.encrypted/{number}", CIPHERTEXT, "ciphertext"),
    ("POST", "/user_directory/search", {"search_term": "a"}, "limit"),
    ("POST", "/publicRooms", {}, "limit"),
    ("POST", "/keys/claim", {}, "one_time_keys"),
    ("POST", "/keys/claim", {"one_time_keys": {}}, "one_time_keys/{other}"),
    *(("POST", "/keys/upload", {}, key) for key in ("one_time_keys", "fallback_keys")),
    ("POST", "/keys/signatures/upload", {}, "{other}"),
    ("POST", "/keys/device_signing/upload", {}, "master_key"),
    ("POST", "/search", {}, "search_categories"),
    ("POST", "/user/{own}/filter", {}, "room"),
    *(("POST", "/pushers/set", _PUSHER, key) for key in ("kind", "app_id", "pushkey", "data", "lang", "profile_tag")),
)
_WRONG: tuple[Any, ...] = (None, 5, True, "x", "\ud800", [5], {"a": 5}, {"x": {"y": 5}}, 10**30)
# What the rules look for, so that made-up bodies get past the first look.
_WORDS = st.sampled_from(
    [
        "invite", "user_id", "reason", "membership", "creation_content", "type", "initial_state", "content",
        "state_key",
        "m.room.encryption", "algorithm", "m.megolm.v1.aes-sha2", "room_version", "10", "12", "visibility", "preset",
        "m.relates_to", "rel_type", "m.annotation", "event_id", "key", "ciphertext", "sender_key", "session_id",
        "device_id", "messages", "device_keys", "one_time_keys", "search_term", "limit", "defaultSetting", "allow all",
        "userExceptions", "groupExceptions", "groupName", "new_version", "join_rule", "public", "displayname",
        "third_party_signed", "invite_3pid", "power_level_content_override", "redacts", SUPPORT, "@nobody:hek.test",
        "👍",
    ]
)  # fmt: skip
_LEAVES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20) | _WORDS
_VALUES = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_WORDS | st.text(max_size=8), inner, max_size=5),
    max_leaves=12,
)
_BODIES = st.dictionaries(_WORDS, _VALUES, max_size=6) | _VALUES


@dataclass
class Scene:
    """A chat, and who writes whatever comes to mind."""

    homeserver: Homeserver
    person: SignedIn
    device: SignedIn
    room: str
    number: int = 0

    async def _call(self, who: SignedIn, method: str, path: str, body: object) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {who.access_token}"}
        address = f"{self.homeserver.base}/_matrix/client/v3{path}"
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.request(method, address, data=json.dumps(body).encode()) as answer,
        ):
            return answer.status, await answer.text()

    def ask(self, method: str, path: str, body: object) -> tuple[int, str]:
        """Makes the call as the person and as the practice; returns the graver answer."""
        self.number += 1
        names = {"room": self.room, "person": self.person.user_id, "other": self.device.user_id, "number": self.number}

        async def both() -> tuple[int, str]:
            answers = []
            for who in (self.person, self.device):
                filled = path.format(
                    **{key: quote(str(value)) for key, value in (names | {"own": who.user_id}).items()}
                )
                answers.append(await self._call(who, method, filled, body))
            return max(answers)

        return asyncio.run(both())


@pytest.fixture(scope="module")
def scene(homeserver: Homeserver) -> Iterator[Scene]:
    person, device, _, room = asyncio.run(homeserver.care_room())
    yield Scene(homeserver, person, device, room)
    # Nothing that was made up has harmed the chat.
    status, answer = asyncio.run(homeserver.send(person, room, content=CIPHERTEXT))
    assert status == 200, answer


@pytest.mark.parametrize(("method", "path"), _CALLS, ids=[path for _, path in _CALLS])
@settings(max_examples=12, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(body=_BODIES)
def test_no_body_is_ever_the_servers_fault(scene: Scene, method: str, path: str, body: Any) -> None:
    status, text = scene.ask(method, path, body)
    assert status < 500, f"{status} {text}"
    if status >= 400:
        assert json.loads(text)["errcode"].startswith("M_")


@pytest.mark.parametrize(("method", "path", "body", "key"), _KEYS, ids=[f"{path} {key}" for _, path, _, key in _KEYS])
def test_no_key_of_a_body_is_ever_the_servers_fault(
    scene: Scene, method: str, path: str, body: dict[str, Any], key: str
) -> None:
    for wrong in _WRONG:
        said = wrong
        for name in reversed(key.format(other=scene.device.user_id).split("/")):
            said = {name: said}
        status, text = scene.ask(method, path, body | said)
        assert status < 500, f"{wrong!r}: {status} {text}"


@pytest.mark.parametrize("body", [b'{"search_term": "Psychotherapie",}', b"Psychotherapie", b'{"search_term": "\xff"}'])
def test_what_is_no_json_is_told_so_and_stands_in_no_log(scene: Scene, body: bytes) -> None:
    async def ask() -> tuple[int, dict[str, Any]]:
        headers = {"Authorization": f"Bearer {scene.person.access_token}"}
        address = f"{scene.homeserver.base}/_matrix/client/v3/user_directory/search"
        async with aiohttp.ClientSession(headers=headers) as http, http.post(address, data=body) as answer:
            return answer.status, await answer.json()

    status, answer = asyncio.run(ask())
    assert (status, answer["errcode"]) == (400, "M_NOT_JSON")
    assert "App" in answer["error"]
    assert b"Psychotherapie" not in (scene.homeserver.folder / "homeserver.log").read_bytes()
