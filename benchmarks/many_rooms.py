"""A stand-in homeserver whose one account is in many rooms, for start-up time and memory alone.

``python -m benchmarks.many_rooms PORT ROOMS``. Ten thousand rooms would take a real Synapse most of an hour to make.
The first sync is what Synapse 1.163 gives for encrypted rooms of two people: as much of the history as the filter asks
for, state only if it is asked for. Everything else is answered as the client-server API says, as far as a session asks
for it at its start. Events cannot be decrypted, as is so for any device that is new.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from aiohttp import web

HISTORY = 30
"""How many messages each room holds."""
_STATE = (
    "m.room.create",
    "m.room.power_levels",
    "m.room.join_rules",
    "m.room.history_visibility",
    "m.room.guest_access",
    "m.room.encryption",
    "m.room.member",
    "m.room.member",
)
_CIPHERTEXT = "AwgAEpABm6t2nq0q" * 24
_DEVICE_KEYS = "device_keys"


class ManyRooms:
    """The stand-in: it knows one account, its keys, and when it asked for what."""

    def __init__(self, rooms: int) -> None:
        self._rooms = rooms
        self._keys: dict[str, dict[str, Any]] = {_DEVICE_KEYS: {}}
        self._one_time_keys = 0
        self.moments: dict[str, float] = {}
        """When the first sync was asked for, was answered, and when the next one came; ``time.monotonic``."""

    def app(self) -> web.Application:
        """Its addresses."""
        app = web.Application(client_max_size=64 * 1024**2)
        client = "/_matrix/client/v3"
        app.router.add_post(f"{client}/login", self._login)
        app.router.add_get(f"{client}/sync", self._sync)
        app.router.add_post(f"{client}/keys/upload", self._upload)
        app.router.add_post(f"{client}/keys/query", self._query)
        app.router.add_post(f"{client}/keys/claim", self._claim)
        app.router.add_post(f"{client}/keys/device_signing/upload", self._sign_with)
        app.router.add_post(f"{client}/keys/signatures/upload", self._signed)
        app.router.add_put(f"{client}/sendToDevice/{{type}}/{{transaction}}", self._nothing)
        app.router.add_get(f"{client}/devices", self._devices)
        app.router.add_get("/moments", self._moments)
        app.router.add_delete("/moments", self._forget_moments)
        return app

    async def _login(self, request: web.Request) -> web.Response:
        body = await request.json()
        self._user_id = f"@{body['identifier']['user']}:session.localhost"
        answer = {"user_id": self._user_id, "access_token": "a", "device_id": body["device_id"]}
        return web.json_response(answer)

    async def _sync(self, request: web.Request) -> web.StreamResponse:
        if "since" in request.query:
            self.moments.setdefault("next", time.monotonic())
            await asyncio.sleep(int(request.query.get("timeout", "0")) / 1000)
            return web.json_response({"next_batch": "s2", **self._counts()})
        self.moments.setdefault("first", time.monotonic())
        answer = web.StreamResponse(headers={"Content-Type": "application/json"})
        await answer.prepare(request)
        for piece in self._first_answer(json.loads(request.query.get("filter", "{}"))):
            await answer.write(piece)
        await answer.write_eof()
        self.moments.setdefault("answered", time.monotonic())
        return answer

    def _first_answer(self, wanted: dict[str, Any]) -> Iterator[bytes]:
        room = wanted.get("room", {})
        limit = min(room.get("timeline", {}).get("limit", 10), HISTORY)
        state = "types" not in room.get("state", {})
        counts = json.dumps(self._counts())[1:-1]
        yield f'{{"next_batch": "s1", {counts}, "rooms": {{"join": {{'.encode()
        for number in range(self._rooms):
            separator = "," if number else ""
            content = json.dumps(self._room(number, limit, with_state=state))
            yield f'{separator}"!room{number}:session.localhost": {content}'.encode()
        yield b"}}}"

    def _room(self, number: int, limit: int, *, with_state: bool) -> dict[str, Any]:
        person = f"@person{number}:session.localhost"
        return {
            "timeline": {
                "events": [_message(number, place, person) for place in range(HISTORY - limit, HISTORY)],
                "prev_batch": f"t{number}",
                "limited": limit < HISTORY,
            },
            "state": {"events": [_state(number, place, person) for place in range(len(_STATE))] if with_state else []},
            "account_data": {"events": []},
            "ephemeral": {"events": []},
            "unread_notifications": {"notification_count": 0, "highlight_count": 0},
            "summary": {"m.heroes": [person], "m.joined_member_count": 2, "m.invited_member_count": 0},
        }

    def _counts(self) -> dict[str, Any]:
        return {
            "device_one_time_keys_count": {"signed_curve25519": self._one_time_keys},
            "device_unused_fallback_key_types": ["signed_curve25519"],
        }

    async def _upload(self, request: web.Request) -> web.Response:
        body = await request.json()
        if _DEVICE_KEYS in body:
            self._keys[_DEVICE_KEYS] = {body[_DEVICE_KEYS]["device_id"]: body[_DEVICE_KEYS]}
        self._one_time_keys += len(body.get("one_time_keys", {}))
        return web.json_response({"one_time_key_counts": {"signed_curve25519": self._one_time_keys}})

    async def _query(self, request: web.Request) -> web.Response:
        own = self._user_id in (await request.json())[_DEVICE_KEYS]
        return web.json_response({kind: {self._user_id: keys} for kind, keys in self._keys.items() if own and keys})

    async def _sign_with(self, request: web.Request) -> web.Response:
        body = await request.json()
        for kind in ("master_key", "self_signing_key", "user_signing_key"):
            if kind in body:
                self._keys[f"{kind}s"] = body[kind]
        return web.json_response({})

    async def _signed(self, request: web.Request) -> web.Response:
        for signed in (await request.json()).get(self._user_id, {}).values():
            known = self._keys[_DEVICE_KEYS].get(signed.get("device_id"), self._keys.get("master_keys", {}))
            known.setdefault("signatures", {}).setdefault(self._user_id, {}).update(signed["signatures"][self._user_id])
        return web.json_response({})

    async def _devices(self, _: web.Request) -> web.Response:
        return web.json_response({"devices": [{"device_id": device_id} for device_id in self._keys[_DEVICE_KEYS]]})

    async def _claim(self, _: web.Request) -> web.Response:
        return web.json_response({"one_time_keys": {}})

    async def _nothing(self, _: web.Request) -> web.Response:
        return web.json_response({})

    async def _moments(self, _: web.Request) -> web.Response:
        return web.json_response(self.moments)

    async def _forget_moments(self, _: web.Request) -> web.Response:
        self.moments.clear()
        return web.json_response({})


def _message(number: int, place: int, person: str) -> dict[str, Any]:
    return {
        "type": "m.room.encrypted",
        "event_id": f"$message{number:05}x{place:03}xAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sender": person,
        "origin_server_ts": 1_790_000_000_000 + place,
        "content": {
            "algorithm": "m.megolm.v1.aes-sha2",
            "sender_key": f"{number:05}AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "device_id": "PERSONSDEV",
            "session_id": f"{number:05}BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBB",
            "ciphertext": _CIPHERTEXT,
        },
        "unsigned": {"age": 1000},
    }


def _state(number: int, place: int, person: str) -> dict[str, Any]:
    return {
        "type": _STATE[place],
        "event_id": f"$state{number:05}x{place:03}xAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sender": person,
        "state_key": person if _STATE[place] == "m.room.member" else "",
        "origin_server_ts": 1_790_000_000_000,
        "content": {"membership": "join", "displayname": "A Person"},
        "unsigned": {"age": 1000},
    }


if __name__ == "__main__":
    web.run_app(ManyRooms(int(sys.argv[2])).app(), host="127.0.0.1", port=int(sys.argv[1]), print=None)
