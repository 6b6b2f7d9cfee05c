"""By an address: invitations to a mail address, whose server is made up and signs whatever is wanted."""

from __future__ import annotations

import secrets
from typing import Any
from urllib.parse import quote

from signedjson.key import encode_verify_key_base64, generate_signing_key, get_verify_key
from signedjson.sign import sign_json

from tests.synapse_modules.homeserver_under_test import MEGOLM
from tests.system.attack_routes.people import Cast
from tests.system.attack_routes.table import ELSEWHERE, Control, route

_INVITATION = "m.room.third_party_invite"


class _MadeUp:
    """An identity server that nobody knows: whoever makes it has its key."""

    def __init__(self) -> None:
        self._key = generate_signing_key("0")
        self.token = secrets.token_hex(8)

    @property
    def content(self) -> dict[str, Any]:
        """What stands in the room: the key by which the signature will be checked."""
        public = encode_verify_key_base64(get_verify_key(self._key))
        return {"display_name": "x", "public_keys": [{"public_key": public}]}

    def signed(self, user_id: str, sender: str) -> dict[str, Any]:
        """Its word that the address is somebody's."""
        said = {"mxid": user_id, "sender": sender, "token": self.token}
        signed: dict[str, Any] = sign_json(said, "identity.invalid", self._key)
        return signed


async def _joins(c: Cast, room: str, made_up: _MadeUp, inviter: str) -> None:
    body = {"third_party_signed": made_up.signed(c.victim.user_id, inviter)}
    await c.asks("POST", f"/join/{quote(room)}", body, who=c.victim)


@route(Control.BARE)
async def is_written_into_the_first_state(c: Cast) -> None:
    made_up = _MadeUp()
    state = {"type": _INVITATION, "state_key": made_up.token, "content": made_up.content}
    practice = await c.practice()
    room = await c.opens(practice.user_id, initial_state=[MEGOLM, state]) or await c.opens(practice.user_id)
    await _joins(c, room, made_up, c.attacker.user_id)


@route(Control.BARE)
async def is_written_into_a_chat(c: Cast) -> None:
    made_up = _MadeUp()
    room = await c.chat_of(c.attacker, await c.practice())
    await c.sets(room, _INVITATION, made_up.content, key=made_up.token)
    await _joins(c, room, made_up, c.attacker.user_id)


@route(Control.BARE)
async def is_written_into_a_chat_by_the_practice(c: Cast) -> None:
    made_up, practice = _MadeUp(), await c.practice()
    room = await c.opens(c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)
    await c.sets(room, _INVITATION, made_up.content, key=made_up.token, who=practice)
    await _joins(c, room, made_up, practice.user_id)


@route(Control.BARE)
async def is_used_by_a_practice_elsewhere(c: Cast) -> None:
    """In its own room, with the attacker, who is of this server."""
    made_up, room = _MadeUp(), await c.hostile_chat()
    await room.send(_INVITATION, made_up.content, state_key=made_up.token)
    signed = made_up.signed(c.attacker.user_id, room.creator)
    content = {"membership": "invite", "third_party_invite": {"display_name": "x", "signed": signed}}
    await room.send("m.room.member", content, state_key=c.attacker.user_id)
    await c.enters(c.attacker, room.room_id)
    await c.settles(room)


@route(Control.BARE, homes=ELSEWHERE)
async def is_exchanged_from_elsewhere(c: Cast) -> None:
    """The victim's practice writes it into her chat; the outsider's server has it made an invitation and joins."""
    made_up, practice = _MadeUp(), await c.practice()
    room = await c.opens(c.victim.user_id, who=practice)
    await c.enters(c.victim, room)
    await c.sets(room, _INVITATION, made_up.content, key=made_up.token, who=practice)
    signed = made_up.signed(c.outsider, practice.user_id)
    event = {
        "type": "m.room.member",
        "room_id": room,
        "sender": practice.user_id,
        "state_key": c.outsider,
        "content": {"membership": "invite", "third_party_invite": {"display_name": "x", "signed": signed}},
    }
    await c.remote("PUT", f"/v1/exchange_third_party_invite/{quote(room, safe='')}", event)
    status, answer = await c.home.make_join(room, c.outsider)
    if status == 200:
        await c.home.send_join(answer["event"], answer["room_version"])
