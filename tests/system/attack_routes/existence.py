"""Alone: an insured person wants to learn whether there is somebody, by what she is told of her and of nobody."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from tests.system.attack_routes.people import Answer, Cast, filled
from tests.system.attack_routes.table import ELSEWHERE, Control, Sign, route


@contextmanager
def _both(c: Cast) -> Iterator[Callable[[str, Answer], None]]:
    """Notes what is answered about whom, and compares it: the names in it are all that may differ."""
    told: list[str] = []

    def note(user_id: str, answer: Answer) -> None:
        told.append(json.dumps(answer, sort_keys=True).replace(user_id, "@whoever").replace(user_id[1:], "whoever"))

    yield note
    c.answers.clear()
    assert len(told) == 2
    c.has_learned = told[0] != told[1]


def _people(c: Cast) -> tuple[str, str]:
    return c.victim.user_id, f"@nobody-{secrets.token_hex(4)}:{c.scene.server_name}"


def _asks(
    name: str, control: Control, method: str, path: str, body: Callable[[str, str], Any] = lambda _who, _device: None
) -> None:
    """A question about somebody; ``{user}`` stands for who it is, and ``body`` is made of that and of a device."""

    @route(control, name=name, aims=Sign.TOLD)
    async def asks(c: Cast) -> None:
        with _both(c) as note:
            for user_id in _people(c):
                note(user_id, await c.asks(method, filled(path, user=user_id), body(user_id, c.victim.device_id)))


_asks("by the profile", Control.ACQUAINTED, "GET", "/profile/{user}")
_asks("by the keys", Control.ACQUAINTED, "POST", "/keys/query", lambda who, _device: {"device_keys": {who: []}})
_asks(
    "by a one-time key",
    Control.ACQUAINTED,
    "POST",
    "/keys/claim",
    lambda who, device: {"one_time_keys": {who: {device: "signed_curve25519"}}},
)
_asks("by an invitation", Control.PERMITTED, "POST", "/createRoom", lambda who, _device: {"invite": [who]})


@route(Control.ACQUAINTED, aims=Sign.TOLD)
async def by_a_signature(c: Cast) -> None:
    """Of a device, whose id is known; it is not valid, and what is said of that depends on whether there is one."""
    with _both(c) as note:
        for user_id in _people(c):
            device = {"user_id": user_id, "device_id": c.victim.device_id, "algorithms": [], "keys": {}}
            signatures = {c.attacker.user_id: {"ed25519:x": "C" * 86}}
            body = {user_id: {c.victim.device_id: device | {"signatures": signatures}}}
            note(user_id, await c.asks("POST", "/keys/signatures/upload", body))


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def by_the_profile_from_elsewhere(c: Cast) -> None:
    with _both(c) as note:
        for user_id in _people(c):
            note(user_id, await c.remote("GET", f"/v1/query/profile?user_id={quote(user_id, safe='')}"))


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def by_the_devices_from_elsewhere(c: Cast) -> None:
    with _both(c) as note:
        for user_id in _people(c):
            note(user_id, await c.remote("GET", f"/v1/user/devices/{quote(user_id, safe='')}"))


@route(Control.LISTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def by_an_invitation_from_elsewhere(c: Cast) -> None:
    """All that counts is whether it is taken; its answer is the whole event."""
    with _both(c) as note:
        for user_id in _people(c):
            status, answer = await c.home.open_room(c.outsider).invite(user_id)
            note(user_id, (status, {} if status == 200 else answer))
