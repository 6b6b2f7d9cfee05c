"""An encrypted Matrix client of its own, on vodozemac alone: it sends each message once and keeps every key.

It shares no code with the session and none with matrix-nio, so that it can be a witness. It never dies; the homeserver
may, so each request is repeated, with the same transaction id, until there is an answer.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
import vodozemac

from sandbox.headless_sign_in import SignedIn
from tests.system.nothing_lost.olm_device import MEGOLM, OlmDevice

_KEYS_KEPT_READY = 50
_MESSAGES_A_KEY = 100
_PAUSE_S = 0.2
_SYNC_WAIT_MS = 10_000
_FILTER = {
    "room": {"timeline": {"limit": 1000}, "state": {"lazy_load_members": True}, "ephemeral": {"types": []}},
    "presence": {"types": []},
}


class Refused(Exception):  # noqa: N818 - reads as what happened
    """The homeserver refused a request for good."""


@dataclass
class _RoomKey:
    """The key that this client encrypts with in one room, and the devices that have it."""

    session: Any = field(default_factory=vodozemac.GroupSession)
    sent: int = 0
    members: frozenset[str] = frozenset()
    given_to: set[str] = field(default_factory=set)


class LeanClient:
    """One device of one account; ``sync_forever`` is to run beside everything else."""

    def __init__(self, url: str, signed_in: SignedIn) -> None:
        """Takes the homeserver's address and a device that is signed in for the first time."""
        self.user_id = signed_in.user_id
        self._url = url
        self._http = aiohttp.ClientSession(
            headers={"Authorization": f"Bearer {signed_in.access_token}"},
            timeout=aiohttp.ClientTimeout(total=60),
            connector=aiohttp.TCPConnector(limit=0),
        )
        self._olm = OlmDevice(signed_in.user_id, signed_in.device_id)
        self._devices: dict[str, dict[str, dict[str, Any]]] = {}
        """By owner and device id: the device's published keys, of people whose list is up to date."""
        self._room_keys: dict[str, _RoomKey] = {}
        self._sending: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._transactions = 0
        self.watchers: list[Callable[[str, Mapping[str, Any]], None]] = []
        """Called with each room id and event that a sync brings, as the homeserver gave it."""

    # -- requests -----------------------------------------------------------------------------------------------------

    async def call(self, method: str, path: str, body: object | None = None, **query: str | int) -> dict[str, Any]:
        """One request, repeated until the homeserver answers it; a PUT must carry its transaction id in the path.

        Raises:
            Refused: with the errcode.
        """
        while True:
            try:
                async with self._http.request(method, self._url + path, json=body, params=query) as answer:
                    content: dict[str, Any] = await answer.json(content_type=None)
                    if answer.status == 200:
                        return content
                    if answer.status < 500 and answer.status != 429:
                        raise Refused(f"{method} was refused with {answer.status} {content.get('errcode')}")
            except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
                pass
            await asyncio.sleep(_PAUSE_S)

    async def begin(self) -> None:
        """Publishes the device's keys."""
        await self._upload(self._olm.published(), _KEYS_KEPT_READY)

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.close()

    async def _upload(self, device_keys: Mapping[str, Any] | None, one_time_keys: int) -> None:
        body: dict[str, Any] = {"one_time_keys": self._olm.new_one_time_keys(one_time_keys)}
        if device_keys is not None:
            body["device_keys"] = device_keys
        await self.call("POST", "/_matrix/client/v3/keys/upload", body)

    # -- receiving ----------------------------------------------------------------------------------------------------

    async def sync_forever(self) -> None:
        """Receives until it is cancelled."""
        query: dict[str, str | int] = {"filter": json.dumps(_FILTER), "timeout": 0}
        while True:
            answer = await self.call("GET", "/_matrix/client/v3/sync", **query)
            query |= {"since": answer["next_batch"], "timeout": _SYNC_WAIT_MS}
            for message in answer.get("to_device", {}).get("events", ()):
                self._olm.take_in(message)
            for owner in answer.get("device_lists", {}).get("changed", ()):
                self._devices.pop(owner, None)
            left = answer.get("device_one_time_keys_count", {}).get("signed_curve25519", 0)
            if left < _KEYS_KEPT_READY // 2:
                await self._upload(None, _KEYS_KEPT_READY - left)
            for room_id, room in answer.get("rooms", {}).get("join", {}).items():
                for event in room["timeline"]["events"]:
                    for watcher in self.watchers:
                        watcher(room_id, event)

    def read(self, room_id: str, source: Mapping[str, Any]) -> dict[str, Any] | None:
        """The content of an encrypted event; None if this device has not got the key."""
        return self._olm.read(room_id, source)

    # -- sending ------------------------------------------------------------------------------------------------------

    async def make_room(self, *invited: str) -> str:
        """An encrypted room with everybody invited; its id."""
        encryption = {"type": "m.room.encryption", "state_key": "", "content": {"algorithm": MEGOLM}}
        body = {"preset": "private_chat", "invite": invited, "initial_state": [encryption]}
        return str((await self.call("POST", "/_matrix/client/v3/createRoom", body))["room_id"])

    async def join(self, room_id: str) -> None:
        """Joins a room that it was invited to."""
        await self.call("POST", f"/_matrix/client/v3/rooms/{quote(room_id)}/join", {})

    async def members(self, room_id: str) -> set[str]:
        """Who has joined a room."""
        answer = await self.call("GET", f"/_matrix/client/v3/rooms/{quote(room_id)}/joined_members")
        return set(answer["joined"])

    async def send(self, room_id: str, content: Mapping[str, Any]) -> str:
        """Encrypts a message once and sends it once, after all that were sent into the room before; its event id."""
        async with self._sending[room_id]:
            key = self._room_keys.get(room_id)
            if key is None or key.sent >= _MESSAGES_A_KEY:
                key = self._room_keys[room_id] = _RoomKey()
                self._olm.keep(room_id, key.session.session_key)
            await self._share(room_id, key)
            plaintext = {"type": "m.room.message", "room_id": room_id, "content": dict(content)}
            encrypted = self._olm.envelope(key.session, plaintext)
            key.sent += 1
            path = f"/_matrix/client/v3/rooms/{quote(room_id)}/send/m.room.encrypted/{self._transaction()}"
            return str((await self.call("PUT", path, encrypted))["event_id"])

    async def _share(self, room_id: str, key: _RoomKey) -> None:
        """Gives a room key to every device in the room that has not got it."""
        if key.sent == 0:
            key.members = frozenset(await self.members(room_id))
        members = key.members
        # While some are asked for, a sync may say that others have changed.
        while unknown := members - self._devices.keys():
            await self._learn_devices(unknown)
        lacking = {
            f"{owner}|{device}": keys
            for owner in members
            for device, keys in self._devices.get(owner, {}).items()
            if f"{owner}|{device}" not in key.given_to and (owner, device) != (self.user_id, self._olm.device_id)
        }
        if not lacking:
            return
        await self._claim(keys for keys in lacking.values() if not self._olm.knows(keys))
        content = {
            "algorithm": MEGOLM,
            "room_id": room_id,
            "session_id": key.session.session_id,
            "session_key": key.session.session_key.to_base64(),
        }
        messages: defaultdict[str, dict[str, Any]] = defaultdict(dict)
        for name, keys in lacking.items():
            if self._olm.knows(keys):
                owner, device = _owner(name)
                messages[owner][device] = self._olm.seal(keys, "m.room_key", content)
                key.given_to.add(name)
        path = f"/_matrix/client/v3/sendToDevice/m.room.encrypted/{self._transaction()}"
        await self.call("PUT", path, {"messages": messages})

    async def _learn_devices(self, owners: Iterable[str]) -> None:
        asked: dict[str, list[str]] = {owner: [] for owner in owners}
        if asked:
            answer = await self.call("POST", "/_matrix/client/v3/keys/query", {"device_keys": asked})
            self._devices |= {owner: answer["device_keys"].get(owner, {}) for owner in asked}

    async def _claim(self, devices: Iterable[Mapping[str, Any]]) -> None:
        asked: defaultdict[str, dict[str, str]] = defaultdict(dict)
        keys_of = {}
        for keys in devices:
            asked[keys["user_id"]][keys["device_id"]] = "signed_curve25519"
            keys_of[keys["user_id"], keys["device_id"]] = keys
        if not asked:
            return
        answer = await self.call("POST", "/_matrix/client/v3/keys/claim", {"one_time_keys": asked})
        for owner, claimed in answer["one_time_keys"].items():
            for device_id, one_time_keys in claimed.items():
                for one_time_key in one_time_keys.values():
                    self._olm.begin_with(keys_of[owner, device_id], one_time_key["key"])

    def _transaction(self) -> str:
        self._transactions += 1
        return f"lean{self._transactions}"


def _owner(name: str) -> tuple[str, str]:
    owner, _, device_id = name.partition("|")
    return owner, device_id
