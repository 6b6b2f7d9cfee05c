"""Alone: an insured person asks what is known of another one, and writes to her devices."""

from __future__ import annotations

import secrets
from typing import Any

import aiohttp

from tests.system.attack_routes.people import Cast, filled
from tests.system.attack_routes.table import ELSEWHERE, Control, Sign, route


def _asks(name: str, method: str, path: str, body: Any = None, *, prefix: str = "/_matrix/client/v3") -> None:
    """A question about the victim; ``{user}`` and ``{device}`` stand for hers."""

    def named(c: Cast, value: Any) -> Any:
        if isinstance(value, dict):
            return {named(c, key): named(c, one) for key, one in value.items()}
        if isinstance(value, list):
            return [named(c, one) for one in value]
        if isinstance(value, str):
            return value.replace("{user}", c.victim.user_id).replace("{device}", c.victim.device_id)
        return value

    @route(Control.ACQUAINTED, name=name, aims=Sign.TOLD)
    async def asks(c: Cast) -> None:
        await c.asks(method, filled(path, user=c.victim.user_id), named(c, body), prefix=prefix)


_asks("profile", "GET", "/profile/{user}")
_asks("name", "GET", "/profile/{user}/displayname")
_asks("profile by the old interface", "GET", "/profile/{user}", prefix="/_matrix/client/r0")
_asks("profile by the oldest interface", "GET", "/profile/{user}", prefix="/_matrix/client/api/v1")
_asks("keys of devices", "POST", "/keys/query", {"device_keys": {"{user}": []}})
_asks("keys of one device", "POST", "/keys/query", {"device_keys": {"{user}": ["{device}"]}})
_asks("keys by the old interface", "POST", "/keys/query", {"device_keys": {"{user}": []}}, prefix="/_matrix/client/r0")
_ONE_TIME = {"one_time_keys": {"{user}": {"{device}": "signed_curve25519"}}}
_asks("one-time key", "POST", "/keys/claim", _ONE_TIME)
_asks("one-time key by the old interface", "POST", "/keys/claim", _ONE_TIME, prefix="/_matrix/client/r0")


def _writes(name: str, kind: str) -> None:
    @route(Control.ACQUAINTED, name=name)
    async def writes(c: Cast) -> None:
        # One of these every message has, and no message another one.
        content = dict.fromkeys(("org.matrix.msgid", "request_id", "transaction_id"), c.marker)
        body = {"messages": {c.victim.user_id: {c.victim.device_id: content, "*": content}}}
        await c.asks("PUT", f"/sendToDevice/{kind}/{secrets.token_hex(4)}", body)


_writes("encrypted message to her device", "m.room.encrypted")
_writes("request for a key", "m.room_key_request")
_writes("request for a secret", "m.secret.request")
_writes("request for verification", "m.key.verification.request")
_writes("withheld key", "m.room_key.withheld")


async def _put_a_file(c: Cast) -> str:
    """A file that the victim has put there for her chat; what is in it is her secret. Its media id."""
    await c.victims_chat()
    secret = secrets.token_hex(16)
    headers = {"Authorization": f"Bearer {c.victim.access_token}"}
    address = f"{c.scene.base}/_matrix/media/v3/upload?filename={secret[:8]}.bin"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, data=secret.encode()) as answer:
        put = await answer.json()
    c.secrets.add(secret)
    return str(put["content_uri"]).rpartition("/")[2]


@route(Control.INSIDE, aims=Sign.TOLD)
async def file_whose_id_is_known(c: Cast) -> None:
    path = f"/media/download/{c.scene.server_name}/{await _put_a_file(c)}"
    await c.asks("GET", path, prefix="/_matrix/client/v1")


@route(Control.LISTED_INSIDE, homes=ELSEWHERE, aims=Sign.TOLD)
async def file_whose_id_is_known_elsewhere(c: Cast) -> None:
    await c.remote("GET", f"/v1/media/download/{await _put_a_file(c)}")


@route(Control.PERMITTED, aims=Sign.TOLD)
async def search_by_name(c: Cast) -> None:
    await _searched(c, "/_matrix/client/v3")


@route(Control.PERMITTED, aims=Sign.TOLD)
async def search_by_the_old_interface(c: Cast) -> None:
    await _searched(c, "/_matrix/client/r0")


async def _searched(c: Cast, prefix: str) -> None:
    """The name is what she knows; that somebody has it is what she wants to learn."""
    name = next(one for one in c.secrets if one.startswith("Name-"))
    await c.asks("POST", "/user_directory/search", {"search_term": name, "limit": 10}, prefix=prefix)
