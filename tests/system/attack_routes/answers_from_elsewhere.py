"""What a willing practice's server passes on in its answers when the victim's homeserver asks it for something."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import aiohttp

from tests.clients.hostile_server import HostileRoom
from tests.synapse_modules.homeserver_under_test import SignedIn
from tests.system.attack_routes.people import Cast
from tests.system.attack_routes.table import Control, route


def device_of(user_id: str, device_id: str = "PRAXIS", **more: object) -> dict[str, Any]:
    """Keys of a device as an honest server has them, and whatever else."""
    keys = {f"{kind}:{device_id}": "A" * 43 for kind in ("curve25519", "ed25519")}
    return {
        "user_id": user_id,
        "device_id": device_id,
        "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
        "keys": keys,
        "signatures": {user_id: {f"ed25519:{device_id}": "C" * 86}},
    } | more


def _master_key(user_id: str, **more: object) -> dict[str, Any]:
    return {"user_id": user_id, "usage": ["master"], "keys": {f"ed25519:{'B' * 43}": "B" * 43}} | more


async def _invited(c: Cast) -> HostileRoom:
    """A room that the victim is invited to: as long as she has not accepted, its server is asked each time."""
    room = c.hostile.open_room(c.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    status, answer = await room.invite(c.victim.user_id)
    assert status == 200, answer
    return room


def _in_keys(name: str, made: Callable[[str, str], object]) -> None:
    """Words in the answer with the keys of a practice whose invitation is pending; ``made`` by user and words."""

    @route(Control.BARE, name=f"passes on words as {name}")
    async def passes_on(c: Cast) -> None:
        room = await _invited(c)
        c.hostile.answers["query", room.creator] = made(room.creator, c.marker)
        await c.looks_up("/keys/query", {"device_keys": {room.creator: []}})


_in_keys("a note beside keys", lambda user, words: {"device_keys": {user: {"PRAXIS": device_of(user, note=words)}}})
_in_keys("an algorithm", lambda user, words: {"device_keys": {user: {"PRAXIS": device_of(user, algorithms=[words])}}})
_in_keys(
    "the name of a device",
    lambda user, words: {
        "device_keys": {user: {"PRAXIS": device_of(user, unsigned={"device_display_name": words, "note": words})}}
    },
)
_in_keys("the id of a device without keys", lambda user, words: {"device_keys": {user: {words: {}}}})
_in_keys(
    "somebody who signed",
    lambda user, words: {
        "device_keys": {user: {"PRAXIS": device_of(user, signatures={f"@{words}:x": {"ed25519:X": "C" * 86}})}}
    },
)
_in_keys(
    "a note beside what vouches for devices",
    lambda user, words: {"device_keys": {}, "master_keys": {user: _master_key(user, note=words)}},
)


@route(Control.BARE)
async def passes_on_words_beside_a_one_time_key(c: Cast) -> None:
    room = await _invited(c)
    key = {"key": "A" * 43, "signatures": {}, "note": c.marker}
    keys = {room.creator: {"PRAXIS": {"signed_curve25519:AAAA": key}}}
    c.hostile.answers["claim", room.creator] = {"one_time_keys": keys}
    await c.looks_up("/keys/claim", {"one_time_keys": {room.creator: {"PRAXIS": "signed_curve25519"}}})


@route(Control.BARE)
async def passes_on_words_beside_the_keys_in_its_list_of_devices(c: Cast) -> None:
    room = await c.hostile_chat()
    keys = device_of(room.creator, note=c.marker)
    listed = {"device_id": "PRAXIS", "keys": keys, "device_display_name": c.marker}
    c.hostile.answers["devices", room.creator] = {"user_id": room.creator, "stream_id": 7, "devices": [listed]}
    await c.looks_up("/keys/query", {"device_keys": {room.creator: []}})


@route(Control.BARE)
async def passes_on_words_beside_the_keys_of_a_device_that_changed(c: Cast) -> None:
    room = await c.hostile_chat()
    await c.looks_up("/keys/query", {"device_keys": {room.creator: []}})
    change = {
        "user_id": room.creator,
        "device_id": "PRAXIS",
        "stream_id": 2,
        "prev_id": [1],
        "keys": device_of(room.creator, note=c.marker),
    }
    await c.hostile.transaction(edus=[{"edu_type": "m.device_list_update", "content": change}])
    await c.looks_up("/keys/query", {"device_keys": {room.creator: []}})


@route(Control.BARE)
async def passes_on_words_in_a_field_of_its_profile(c: Cast) -> None:
    room = await c.hostile_chat()
    c.hostile.answers["profile", room.creator] = {"displayname": "Praxis", "org.example.words": c.marker}
    await c.looks_up(f"/profile/{quote(room.creator)}")


@route(Control.BARE)
async def passes_on_words_in_the_one_field_that_is_asked_for(c: Cast) -> None:
    room = await c.hostile_chat()
    c.hostile.answers["profile", room.creator] = {"org.example.words": c.marker}
    await c.looks_up(f"/profile/{quote(room.creator)}/org.example.words")


@route(Control.BARE)
async def passes_on_words_as_the_picture_of_its_profile(c: Cast) -> None:
    room = await c.hostile_chat()
    c.hostile.answers["profile", room.creator] = {"displayname": "Praxis", "avatar_url": f"mxc://x/{c.marker}"}
    await c.looks_up(f"/profile/{quote(room.creator)}")


def _gives(name: str, called: str, text: str = "Y2lwaGVydGV4dA") -> None:
    """A file in whose type, name or text are words, which the victim's client asks for."""

    @route(Control.BARE, name=f"gives {name}")
    async def gives(c: Cast) -> None:
        await c.hostile_chat()
        file = secrets.token_hex(8)
        c.hostile.files[file] = called.format(words=c.marker), text.format(words=c.marker)
        c.shown.append(await got(c, c.victim, f"/media/download/{c.hostile.server_name}/{file}"))


_CIPHERTEXT = "Content-Type: application/octet-stream"
_NAMED = 'Content-Disposition: attachment; filename="{words}.bin"'
_gives("a text", 'Content-Type: text/plain\r\nContent-Disposition: inline; filename="{words}.txt"', "{words}")
_gives("ciphertext with a name", f"{_CIPHERTEXT}\r\n{_NAMED}")
_gives("ciphertext with a note", _CIPHERTEXT + "; note={words}")


@route(Control.BARE)
async def gives_a_file_to_somebody_without_a_common_room(c: Cast) -> None:
    file = secrets.token_hex(8)
    c.hostile.files[file] = _CIPHERTEXT, c.marker
    c.shown.append(await got(c, c.victim, f"/media/download/{c.hostile.server_name}/{file}"))


async def got(c: Cast, who: SignedIn, path: str) -> list[str]:
    """What somebody's client gets of a file: everything that it is called, and what is in it."""
    headers = {"Authorization": f"Bearer {who.access_token}"}
    address = f"{c.scene.base}/_matrix/client/v1{path}"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
        return [*answer.headers.values(), await answer.text()]
