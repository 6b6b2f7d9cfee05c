"""From a second, hostile homeserver: of another insurer, of nobody whom the list knows, or of a willing practice."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from synapse.api.room_versions import KNOWN_ROOM_VERSIONS
from synapse.crypto.event_signing import add_hashes_and_signatures

from tests.clients.hostile_server import HostileRoom, care_state
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT
from tests.system.attack_routes.people import Cast, call
from tests.system.attack_routes.table import ELSEWHERE, Control, Sign, route

# -- An outsider writes to the victim himself -------------------------------------------------------------------------


@route(Control.LISTED, homes=ELSEWHERE)
async def invites(c: Cast) -> None:
    await c.home.open_room(c.outsider).invite(c.victim.user_id)


@route(Control.LISTED, homes=ELSEWHERE)
async def invites_directly(c: Cast) -> None:
    await c.home.open_room(c.outsider).invite(c.victim.user_id, is_direct=True)


@route(Control.LISTED, homes=ELSEWHERE)
async def invites_into_a_room_of_the_newest_version(c: Cast) -> None:
    await c.home.open_room(c.outsider, version="11").invite(c.victim.user_id)


@route(Control.BARE, homes=ELSEWHERE)
async def invites_into_a_room_in_clear(c: Cast) -> None:
    await c.home.open_room(c.outsider, care_state(c.outsider, encryption=None)).invite(c.victim.user_id)


@route(Control.BARE, homes=ELSEWHERE)
async def opens_a_public_room(c: Cast) -> None:
    room = c.home.open_room(c.outsider, care_state(c.outsider, join_rules={"join_rule": "public"}))
    path = f"/join/{quote(room.room_id)}?server_name={c.home.server_name}"
    await c.asks("POST", path, {}, who=c.victim)


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def asks_for_the_profile(c: Cast) -> None:
    await c.remote("GET", f"/v1/query/profile?user_id={quote(c.victim.user_id, safe='')}")


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def asks_for_the_devices(c: Cast) -> None:
    await c.remote("GET", f"/v1/user/devices/{quote(c.victim.user_id, safe='')}")


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def asks_for_the_keys(c: Cast) -> None:
    await c.remote("POST", "/v1/user/keys/query", {"device_keys": {c.victim.user_id: []}})


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE, aims=Sign.TOLD)
async def asks_for_a_one_time_key(c: Cast) -> None:
    wanted = {c.victim.user_id: {c.victim.device_id: "signed_curve25519"}}
    await c.remote("POST", "/v1/user/keys/claim", {"one_time_keys": wanted})


def _to_device(c: Cast, sender: str, kind: str = "m.room.encrypted", **content: str) -> dict[str, Any]:
    message = dict(content)
    messages = {c.victim.user_id: {c.victim.device_id: message}}
    said = {"sender": sender, "type": kind, "message_id": secrets.token_hex(8), "messages": messages}
    return {"edu_type": "m.direct_to_device", "content": said}


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE)
async def writes_to_the_device(c: Cast) -> None:
    await c.home.transaction(edus=[_to_device(c, c.outsider, **{"org.matrix.msgid": c.marker})])


@route(Control.LISTED_ACQUAINTED, homes=ELSEWHERE)
async def asks_the_device_to_be_verified(c: Cast) -> None:
    await c.home.transaction(edus=[_to_device(c, c.outsider, "m.key.verification.request", from_device=c.marker)])


# -- A willing practice of the hostile server brings them together ----------------------------------------------------


async def _raw_join(c: Cast, room: HostileRoom) -> None:
    """Without asking how to join: the event is made by hand."""
    status, _ = await c.home.send_join(
        room.make("m.room.member", {"membership": "join"}, sender=c.outsider, state_key=c.outsider)
    )
    if status == 200:
        room.take(c.home.rooms[room.room_id].events[c.home.rooms[room.room_id].tips[0]])


async def _victims_own_room(c: Cast) -> HostileRoom:
    """A chat that the victim made on her server with a practice of the hostile one."""
    practice = c.hostile.user(f"praxis-{secrets.token_hex(4)}")
    await c.scene.opt_in(practice)
    room = await c.opens(practice, who=c.victim)
    assert room, c.answers
    c.answers.clear()
    return await c.hostile.join(room, practice)


def _its_practice(c: Cast, room: HostileRoom) -> str:
    return next(
        user_id
        for (kind, user_id) in room.state
        if kind == "m.room.member" and user_id.endswith(f":{c.hostile.server_name}")
    )


@route(Control.BARE, homes=ELSEWHERE)
async def is_let_into_the_victims_room_and_joins_by_hand(c: Cast) -> None:
    room = await _victims_own_room(c)
    await room.send("m.room.member", {"membership": "invite"}, sender=_its_practice(c, room), state_key=c.outsider)
    await _raw_join(c, room)


@route(Control.BARE, homes=ELSEWHERE)
async def is_let_into_the_victims_room_and_joins_as_the_protocol_has_it(c: Cast) -> None:
    room = await _victims_own_room(c)
    await room.send("m.room.member", {"membership": "invite"}, sender=_its_practice(c, room), state_key=c.outsider)
    status, answer = await c.home.make_join(room.room_id, c.outsider)
    if status == 200:
        await c.home.send_join(answer["event"], answer["room_version"])


@route(Control.BARE)
async def lets_the_attacker_into_the_victims_room(c: Cast) -> None:
    """The attacker is of our own server; the practice's server sends the invitation as a bare event."""
    room = await _victims_own_room(c)
    practice = _its_practice(c, room)
    await room.send("m.room.member", {"membership": "invite"}, sender=practice, state_key=c.attacker.user_id)
    await c.enters(c.attacker, room.room_id)


@route(Control.BARE)
async def invites_the_attacker_into_the_victims_chat(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.invite(c.attacker.user_id)
    await c.enters(c.attacker, room.room_id)
    await c.settles(room)


@route(Control.BARE)
async def invites_the_victim_into_the_attackers_chat(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    await room.invite(c.attacker.user_id)
    await c.enters(c.attacker, room.room_id)
    await room.invite(c.victim.user_id)


@route(Control.BARE)
async def invites_both_before_either_has_answered(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    await room.invite(c.victim.user_id)
    await room.invite(c.attacker.user_id)
    await c.enters(c.attacker, room.room_id)


@route(Control.BARE)
async def slips_the_attacker_in_by_a_bare_event(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.send("m.room.member", {"membership": "invite"}, state_key=c.attacker.user_id)
    await c.settles(room)


@route(Control.BARE)
async def slips_the_attacker_in_behind_an_event_that_it_withholds(c: Cast) -> None:
    room = await c.hostile_chat()
    hidden = room.add("m.room.member", {"membership": "invite"}, state_key=c.attacker.user_id)
    c.scene.federation.hostile.withheld.add(hidden)
    room.add("m.room.encrypted", CIPHERTEXT)
    await c.settles(room)


async def _brings_in(c: Cast, room: HostileRoom) -> None:
    """The outsider gets into a room of the hostile server, which says nothing of it yet."""
    room.add("m.room.member", {"membership": "invite"}, state_key=c.outsider)
    room.take_from(c.home, "m.room.member", {"membership": "join"}, sender=c.outsider, state_key=c.outsider)


@route(Control.BARE, homes=ELSEWHERE)
async def is_there_already_when_the_victim_is_invited(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user("praxis"))
    await _brings_in(c, room)
    await room.invite(c.victim.user_id)


@route(Control.BARE, homes=ELSEWHERE)
async def is_invited_already_when_the_victim_is(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user("praxis"))
    room.add("m.room.member", {"membership": "invite"}, state_key=c.outsider)
    await room.invite(c.victim.user_id)


@route(Control.BARE)
async def has_the_attacker_there_already_when_the_victim_is_invited(c: Cast) -> None:
    """Of our own server, by an invitation that our server never saw."""
    room = c.hostile.open_room(c.hostile.user("praxis"))
    room.add("m.room.member", {"membership": "invite"}, state_key=c.attacker.user_id)
    await room.invite(c.victim.user_id)


@route(Control.BARE, homes=ELSEWHERE)
async def comes_into_the_victims_chat_later(c: Cast) -> None:
    room = await c.hostile_chat()
    for sender, membership in ((room.creator, "invite"), (c.outsider, "join")):
        server = c.home if sender == c.outsider else c.hostile
        pdu_id = room.take_from(
            server, "m.room.member", {"membership": membership}, sender=sender, state_key=c.outsider
        )
        await server.transaction(pdus=[room.events[pdu_id]])
    await c.settles(room)


@route(Control.BARE, homes=ELSEWHERE)
async def walks_through_doors_that_the_practice_opens(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.send("m.room.join_rules", {"join_rule": "public"}, state_key="")
    pdu_id = room.take_from(c.home, "m.room.member", {"membership": "join"}, sender=c.outsider, state_key=c.outsider)
    await c.hostile.transaction(pdus=[room.events[pdu_id]])
    await c.settles(room)


@route(Control.BARE, homes=ELSEWHERE)
async def walks_in_through_a_space_that_the_practice_names(c: Cast) -> None:
    room = await c.hostile_chat()
    allow = [{"type": "m.room_membership", "room_id": f"!space:{c.home.server_name}"}]
    await room.send("m.room.join_rules", {"join_rule": "restricted", "allow": allow}, state_key="")
    content = {"membership": "join", "join_authorised_via_users_server": room.creator}
    at_practice = room.take_from(c.home, "m.room.member", content, sender=c.outsider, state_key=c.outsider)
    joined = room.events[at_practice]
    add_hashes_and_signatures(KNOWN_ROOM_VERSIONS[room.version], joined, c.hostile.server_name, c.hostile.signing_key)
    await c.hostile.transaction(pdus=[joined])
    await c.settles(room)


@route(Control.BARE, homes=ELSEWHERE)
async def writes_into_a_room_where_he_was_before_the_victim(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user("praxis"))
    await _brings_in(c, room)
    words = {"msgtype": "m.text", "body": c.marker}
    await room.invite(c.victim.user_id)
    await c.enters(c.victim, room.room_id)
    pdu_id = room.take_from(c.home, "m.room.message", words, sender=c.outsider, state_key=None)
    await c.home.transaction(pdus=[room.events[pdu_id]])
    await c.hostile.transaction(pdus=[room.events[pdu_id]])
    await c.settles(room)


# -- A willing practice of the hostile server passes words on in clear ------------------------------------------------


def _worded(c: Cast, value: Any) -> Any:
    """A value in which ``{words}`` and ``{attacker}`` stand for hers."""
    if isinstance(value, Mapping):
        return {_worded(c, key): _worded(c, one) for key, one in value.items()}
    if isinstance(value, list):
        return [_worded(c, one) for one in value]
    filled_in = value.replace("{words}", c.marker) if isinstance(value, str) and "{words}" in value else value
    return filled_in.replace("{attacker}", c.attacker.user_id) if isinstance(filled_in, str) else filled_in


def _passes_on(name: str, kind: str, content: Mapping[str, Any], state_key: str | None = None) -> None:
    """What the practice sends into its chat with the victim; ``{words}`` stands for the attacker's words."""

    @route(Control.BARE, name=f"passes on words as {name}")
    async def passes_on(c: Cast) -> None:
        room = await c.hostile_chat()
        key = room.creator if state_key == "{creator}" else _worded(c, state_key)
        await room.send(kind, _worded(c, content), state_key=key)
        await c.settles(room)


_WORDS = {"body": "{words}"}
_passes_on("a message", "m.room.message", {"msgtype": "m.text"} | _WORDS)
_passes_on("a sticker", "m.sticker", _WORDS)
_passes_on("a reaction", "m.reaction", {"m.relates_to": {"key": "{words}", "rel_type": "m.annotation"}})
_passes_on("a key beside the ciphertext", "m.room.encrypted", CIPHERTEXT | _WORDS)
_passes_on("a type of its own", "org.example.words", _WORDS)
_passes_on("a name of the room", "m.room.name", {"name": "{words}"}, "")
_passes_on("a topic", "m.room.topic", {"topic": "{words}"}, "")
_passes_on("a picture", "m.room.avatar", {"url": "mxc://x/{words}"}, "")
_passes_on("an alias", "m.room.canonical_alias", {"alias": "#{words}:example"}, "")
_passes_on("a state of its own", "org.example.words", _WORDS, "")
_passes_on("the key of a state", "org.example.words", {}, "{words}")
_passes_on("a part of a space", "m.space.child", {"via": ["{words}"]}, "!x:example")
_passes_on("a space that it belongs to", "m.space.parent", {"via": ["{words}"]}, "!x:example")
_passes_on("a tombstone", "m.room.tombstone", {"replacement_room": "!x:example"} | _WORDS, "")
_passes_on("a note in its membership", "m.room.member", {"membership": "join", "note": "{words}"}, "{creator}")
_passes_on("a setting of the encryption", "m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2"} | _WORDS, "")
_passes_on("a level of power", "m.room.power_levels", {"events": {"{words}": 1}}, "")
_passes_on("a key beside the levels of power", "m.room.power_levels", {"note": "{words}"}, "")
_passes_on("a rule to join", "m.room.join_rules", {"join_rule": "invite"} | _WORDS, "")
_passes_on("a rule for the history", "m.room.history_visibility", {"history_visibility": "joined"} | _WORDS, "")


@route(Control.BARE)
async def passes_on_words_as_its_name_in_the_room(c: Cast) -> None:
    room = await c.hostile_chat()
    await room.send("m.room.member", {"membership": "join", "displayname": c.marker}, state_key=room.creator)
    await c.settles(room)


@route(Control.BARE)
async def passes_on_words_as_the_reason_of_a_colleague_to_leave(c: Cast) -> None:
    room, colleague = await c.hostile_chat(), c.hostile.user("colleague")
    await room.send("m.room.member", {"membership": "invite"}, state_key=colleague)
    for content in ({"membership": "join"}, {"membership": "leave", "reason": c.marker}):
        await room.send("m.room.member", content, sender=colleague, state_key=colleague)
    await c.settles(room)


@route(Control.BARE)
async def passes_on_words_with_a_deletion(c: Cast) -> None:
    room = await c.hostile_chat()
    sent, _ = await room.send("m.room.encrypted", CIPHERTEXT)
    pdu = room.make("m.room.redaction", {"reason": c.marker}, sender=room.creator, redacts=sent)
    room.take(pdu)
    await c.hostile.transaction(pdus=[pdu])
    await c.settles(room)


@route(Control.BARE)
async def passes_on_words_in_an_invitation(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user("praxis"))
    await room.invite(c.victim.user_id, reason=c.marker)


def _shows(name: str, make: Callable[[Cast, str], HostileRoom]) -> None:
    """Words in what an invitation shows of the room; as whole events, and in the older form without signatures."""
    for bare in (False, True):

        @route(Control.BARE, name=f"passes on words as {name} that it invites to{', bare' if bare else ''}")
        async def shows(c: Cast, bare: bool = bare) -> None:
            room = make(c, c.hostile.user("praxis"))
            await room.invite(c.victim.user_id, bare=bare)


_shows("the name of a room", lambda c, me: c.hostile.open_room(me, care_state(me, name={"name": c.marker})))
_shows("a note in the first event of a room", lambda c, me: c.hostile.open_room(me, note=c.marker))
_RULE = {"join_rule": "invite"}
_shows(
    "a rule to join a room",
    lambda c, me: c.hostile.open_room(me, care_state(me, join_rules=_RULE | {"body": c.marker})),
)


def _shows_beside(name: str, event: Mapping[str, Any]) -> None:
    """Words in what an invitation shows beside the usual state; ``{words}`` and ``{attacker}`` stand for hers."""

    @route(Control.BARE, name=f"shows {name} beside a room that it invites to")
    async def shows(c: Cast) -> None:
        room = c.hostile.open_room(c.hostile.user("praxis"))
        await room.invite(c.victim.user_id, bare=True, beside=[{"sender": room.creator} | _worded(c, event)])


_shows_beside("a name", {"type": "m.room.name", "state_key": "", "content": {"name": "{words}"}})
_shows_beside("a type of its own", {"type": "org.example.words", "state_key": "", "content": _WORDS})
_shows_beside("the key of a state", {"type": "org.example.words", "state_key": "{words}", "content": {}})
_shows_beside(
    "the attacker as a member",
    {"type": "m.room.member", "state_key": "{attacker}", "content": {"membership": "join", "displayname": "{words}"}},
)


@route(Control.BARE)
async def passes_on_words_beside_the_content_of_an_invitation(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user("praxis"))
    await room.invite(c.victim.user_id, more={"words": c.marker})


def _beside_content(name: str, kind: str, content: Mapping[str, Any], state_key: str | None, key: str) -> None:
    """Words beside the content of an event in the victim's chat."""

    @route(Control.BARE, name=f"passes on words beside the content of {name}")
    async def passes_on(c: Cast) -> None:
        room = await c.hostile_chat()
        own_key = room.creator if state_key == "{creator}" else state_key
        pdu = room.make(kind, content, sender=room.creator, state_key=own_key, **{key: c.marker})
        room.take(pdu)
        await c.hostile.transaction(pdus=[pdu])
        await c.settles(room)


_beside_content("a message", "m.room.encrypted", CIPHERTEXT, None, "words")
_beside_content("a message that deletes nothing", "m.room.encrypted", CIPHERTEXT, None, "redacts")
_beside_content("a state", "m.room.history_visibility", {"history_visibility": "joined"}, "", "words")
_beside_content("its membership", "m.room.member", {"membership": "join"}, "{creator}", "words")


@route(Control.BARE)
async def passes_on_words_beside_an_event_that_nobody_signed(c: Cast) -> None:
    room = await c.hostile_chat()
    pdu = room.make("m.room.encrypted", CIPHERTEXT, sender=room.creator)
    room.take(pdu)
    await c.hostile.transaction(pdus=[pdu | {"age_ts": c.marker, "outlier": c.marker}])
    await c.settles(room)


def _template(room: HostileRoom, membership: str, user_id: str, **beside: Any) -> dict[str, Any]:
    """The template for a membership event, with what it says beside it in its content."""
    pdu = room.make("m.room.member", {"membership": membership} | beside, sender=user_id, state_key=user_id)
    return {key: value for key, value in pdu.items() if key not in {"signatures", "hashes"}}


@route(Control.BARE)
async def writes_words_into_the_victims_own_membership(c: Cast) -> None:
    """Her server signs what the practice's server proposes to it as her membership."""
    room = c.hostile.open_room(c.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    await room.invite(c.victim.user_id)
    event = _template(room, "join", c.victim.user_id, note=c.marker, reason=c.marker) | {"words": c.marker}
    c.hostile.answers["join", room.room_id] = {"room_version": room.version, "event": event}


@route(Control.BARE)
async def writes_words_into_the_victims_own_refusal(c: Cast) -> None:
    room = c.hostile.open_room(c.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    await room.invite(c.victim.user_id)
    event = _template(room, "leave", c.victim.user_id, note=c.marker, reason=c.marker) | {"words": c.marker}
    c.hostile.answers["leave", room.room_id] = {"room_version": room.version, "event": event}
    await call(c.scene, c.victim, "POST", f"/rooms/{quote(room.room_id)}/leave", {})


@route(Control.BARE)
async def passes_on_words_in_the_state_that_the_victim_finds(c: Cast) -> None:
    praxis = c.hostile.user("praxis")
    room = c.hostile.open_room(praxis)
    room.add("org.example.words", {"body": c.marker}, state_key="")
    await room.invite(c.victim.user_id)


@route(Control.BARE)
async def passes_on_words_to_a_device(c: Cast) -> None:
    room = await c.hostile_chat()
    await c.hostile.transaction(edus=[_to_device(c, room.creator, "org.example.words", body=c.marker)])


@route(Control.BARE)
async def passes_on_words_in_a_receipt(c: Cast) -> None:
    room = await c.hostile_chat()
    data = {"event_ids": [room.tips[0]], "data": {"ts": 1, "thread_id": f"${c.marker}"}}
    edu = {"edu_type": "m.receipt", "content": {room.room_id: {"m.read": {room.creator: data}}}}
    await c.hostile.transaction(edus=[edu])
    await c.settles(room)
