"""A person with everything that a session can leave behind, on a homeserver with workers; and locking her."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import aiohttp
from aiohttp import web

from messenger_core.calendar_periods import berlin_day
from sandbox.ports import reserve_port
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn, claims, new_kvnr
from tests.synapse_modules.stand_ins import serving
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers

DELAYED = "/_matrix/client/unstable/org.matrix.msc4140/delayed_events"


@dataclass
class PushGateway:
    """Takes what homeservers push, as the Push Gateway API has it, and keeps it for the test."""

    url: str
    taken: list[dict[str, Any]] = field(default_factory=list)

    async def notify(self, request: web.Request) -> web.Response:
        self.taken.append((await request.json())["notification"])
        return web.json_response({"rejected": []})

    def events(self, push_key: str) -> list[str]:
        """The events that were pushed to a device."""
        return [
            one.get("event_id", "")
            for one in self.taken
            if one.get("event_id") and push_key in {device["pushkey"] for device in one["devices"]}
        ]

    def count(self, push_key: str) -> int:
        """How often a device was pushed anything, bare counts of unread messages included."""
        return sum(push_key in {device["pushkey"] for device in one["devices"]} for one in self.taken)


@contextmanager
def running_push_gateway() -> Iterator[PushGateway]:
    """A push gateway on loopback."""
    port = reserve_port()
    gateway = PushGateway(f"http://127.0.0.1:{port}/_matrix/push/v1/notify")
    app = web.Application()
    app.router.add_post("/_matrix/push/v1/notify", gateway.notify)
    with serving(app, port):
        yield gateway


@dataclass
class Session:
    """What a device held before its person was locked."""

    kvnr: str
    device: SignedIn
    refresh_token: str
    login_tokens: list[str]
    openid_token: str
    delay_ids: list[str]
    push_key: str
    room: str
    practice: SignedIn
    event: str

    @property
    def user_id(self) -> str:
        return self.device.user_id


async def call(
    view: Homeserver, who: SignedIn | None, method: str, path: str, body: object | None = None
) -> tuple[int, Any]:
    """One request of any path, and what the process answers; the body is None if it is not JSON."""
    headers = {"Authorization": f"Bearer {who.access_token}"} if who else {}
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, view.url + path, json=body, allow_redirects=False) as answer,
    ):
        is_json = answer.content_type == "application/json"
        return answer.status, await answer.json() if is_json else None


async def delayed_event(view: Homeserver, who: SignedIn, room: str, delay_ms: int) -> str:
    """Schedules a receipt-like event that carries no words; its delay id."""
    path = f"/_matrix/client/v3/rooms/{quote(room)}/send/m.room.encrypted/{secrets.token_hex(8)}"
    content = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "sender_key": "A" * 43,
        "ciphertext": "A" * 64,
        "session_id": secrets.token_hex(21) + "A",
        "device_id": "TEST",
    }
    status, answer = await call(view, who, "PUT", f"{path}?org.matrix.msc4140.delay={delay_ms}", content)
    assert status == 200, answer
    return str(answer["delay_id"])


async def open_session(workers: HomeserverWithWorkers, gateway: PushGateway, name: str = "Erika Muster") -> Session:
    """Signs a person in and leaves everything open that can be left open."""
    kvnr = new_kvnr()
    body = {
        "type": "m.login.token",
        "token": await workers.login_token(claims(kvnr, name)),
        "refresh_token": True,
    }
    status, made = await workers.call(None, "POST", "/login", body)
    assert status == 200, made
    device = SignedIn(made["user_id"], made["access_token"], made["device_id"])
    practice = await workers.new_practice("Praxis Dr. Berg")
    practice_device = await workers.practice_device(practice)
    status, created = await workers.create_room(device, practice.user_id)
    assert status == 200, created
    room = created["room_id"]
    assert await workers.join(practice_device, room) == 200
    status, sent = await workers.send(device, room)
    assert status == 200, sent
    push_key = secrets.token_hex(8)
    pusher = {
        "kind": "http",
        "app_id": "de.hek.test",
        "app_display_name": "Test",
        "device_display_name": "Test",
        "pushkey": push_key,
        "lang": "de",
        "data": {"url": gateway.url, "format": "event_id_only"},
    }
    assert (await workers.call(device, "POST", "/pushers/set", pusher))[0] == 200
    path = f"/user/{quote(device.user_id)}/openid/request_token"
    return Session(
        kvnr=kvnr,
        device=device,
        refresh_token=made["refresh_token"],
        login_tokens=[await workers.login_token(claims(kvnr, name)) for _ in range(2)],
        openid_token=(await workers.call(device, "POST", path, {}))[1]["access_token"],
        delay_ids=[await delayed_event(workers, device, room, 3_600_000) for _ in range(3)],
        push_key=push_key,
        room=room,
        practice=practice_device,
        event=sent["event_id"],
    )


def today() -> str:
    return berlin_day(datetime.now(UTC)).isoformat()


async def lock(view: Homeserver, kvnr: str) -> None:
    """Ends a membership, as the core system does."""
    body = {"kvnr": kvnr, "on": today(), "reason": "insurer-switch"}
    status, answer = await view.machine("core-system", "membership:write", "POST", "/v1/memberships/end", body)
    assert status == 200, answer


async def undo(view: Homeserver, kvnr: str) -> None:
    """Takes the end of a membership back."""
    status, answer = await view.machine(
        "core-system", "membership:write", "POST", "/v1/memberships/undo", {"kvnr": kvnr}
    )
    assert status == 200, answer
