"""With a willing practice of this server, which brings the two together or passes words on in clear."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, MEGOLM
from tests.system.attack_routes.people import Cast, publish_keys
from tests.system.attack_routes.table import Control, route


@route(Control.BARE)
async def invites_into_the_attackers_chat(c: Cast) -> None:
    practice = await c.practice()
    await c.invites(await c.chat_of(c.attacker, practice), c.victim.user_id, who=practice)


@route(Control.BARE)
async def invites_by_state(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.attacker, practice)
    await c.sets(room, "m.room.member", {"membership": "invite"}, key=c.victim.user_id, who=practice)


@route(Control.BARE)
async def invites_the_attacker_into_the_victims_chat(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.invites(room, c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def makes_a_room_for_both(c: Cast) -> None:
    practice = await c.practice()
    room = await c.opens(c.attacker.user_id, c.victim.user_id, who=practice)
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def asks_both_into_its_request(c: Cast) -> None:
    practice = await c.practice()
    room = await c.opens(c.victim.user_id, who=practice)
    await c.invites(room, c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def asks_the_next_when_the_first_has_left(c: Cast) -> None:
    """The first comes back afterwards."""
    practice = await c.practice()
    room = await c.chat_of(c.attacker, practice)
    await c.asks("POST", f"/rooms/{quote(room)}/leave", {})
    await c.invites(room, c.victim.user_id, who=practice)
    await c.enters(c.victim, room)
    await c.invites(room, c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def opens_a_public_room(c: Cast) -> None:
    room = await c.opens(who=await c.practice(), preset="public_chat")
    await c.enters(c.attacker, room)
    await c.enters(c.victim, room)


@route(Control.BARE)
async def opens_the_doors_of_a_chat(c: Cast) -> None:
    practice = await c.practice()
    room = await c.opens(c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)
    await c.sets(room, "m.room.join_rules", {"join_rule": "public"}, who=practice)
    await c.enters(c.victim, room)


@route(Control.BARE)
async def opens_a_room_for_knocks(c: Cast) -> None:
    practice = await c.practice()
    knock = {"type": "m.room.join_rules", "state_key": "", "content": {"join_rule": "knock"}}
    room = await c.opens(c.attacker.user_id, who=practice, initial_state=[MEGOLM, knock])
    await c.enters(c.attacker, room)
    await c.asks("POST", f"/knock/{quote(room)}", {}, who=c.victim)
    await c.invites(room, c.victim.user_id, who=practice)


@route(Control.BARE)
async def gives_a_public_room_an_alias(c: Cast) -> None:
    alias = f"treff-{c.marker}"
    await c.opens(who=await c.practice(), preset="public_chat", room_alias_name=alias)
    for who in (c.attacker, c.victim):
        await c.enters(who, f"#{alias}:{c.scene.server_name}")


@route(Control.BARE)
async def makes_a_space_for_both(c: Cast) -> None:
    practice = await c.practice()
    space = {"type": "m.space"}
    room = await c.opens(c.attacker.user_id, c.victim.user_id, who=practice, creation_content=space, initial_state=[])
    await c.enters(c.attacker, room)


@route(Control.BARE)
async def upgrades_the_attackers_chat(c: Cast) -> None:
    practice = await c.practice()
    room = await c.opens(c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)
    _, answer = await c.asks("POST", f"/rooms/{quote(room)}/upgrade", {"new_version": "11"}, who=practice)
    new = str(answer.get("replacement_room", room))
    for who in (c.attacker, c.victim):
        await c.invites(new, who.user_id, who=practice)
        await c.enters(who, new)


@route(Control.BARE)
async def lets_both_in_through_a_space(c: Cast) -> None:
    """Whoever is in the space may enter the room that belongs to it."""
    practice = await c.practice()
    space = await c.opens(who=practice, preset="public_chat", creation_content={"type": "m.space"}, initial_state=[])
    room = await c.opens(c.attacker.user_id, who=practice)
    allow = [{"type": "m.room_membership", "room_id": space}]
    await c.sets(room, "m.room.join_rules", {"join_rule": "restricted", "allow": allow}, who=practice)
    for kind, at, child in (("m.space.child", space, room), ("m.space.parent", room, space)):
        await c.sets(at, kind, {"via": [c.scene.server_name]}, key=child, who=practice)
    for who in (c.attacker, c.victim):
        await c.enters(who, space)
        await c.enters(who, room)


@route(Control.BARE)
async def lets_the_victim_in_from_her_own_chat(c: Cast) -> None:
    """Whoever is in her chat may enter the attacker's."""
    practice = await c.practice()
    hers = await c.chat_of(c.victim, practice)
    room = await c.opens(c.attacker.user_id, who=practice)
    await c.enters(c.attacker, room)
    allow = [{"type": "m.room_membership", "room_id": hers}]
    await c.sets(room, "m.room.join_rules", {"join_rule": "restricted", "allow": allow}, who=practice)
    await c.enters(c.victim, room)


# -- Words in clear, in the victim's own chat with the practice -------------------------------------------------------


@route(Control.BARE)
async def passes_on_a_message_in_clear(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.sends(room, "m.room.message", {"msgtype": "m.text", "body": c.marker}, who=practice)


@route(Control.BARE)
async def passes_on_words_beside_the_ciphertext(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.sends(room, "m.room.encrypted", CIPHERTEXT | {"body": c.marker}, who=practice)


@route(Control.BARE)
async def passes_on_words_in_a_type_of_its_own(c: Cast) -> None:
    practice = await c.practice()
    await c.sends(await c.chat_of(c.victim, practice), "org.example.words", {"body": c.marker}, who=practice)


@route(Control.BARE)
async def passes_on_words_as_a_reaction(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    _, sent = await c.sends(room, "m.room.encrypted", CIPHERTEXT, who=practice)
    relation = {"rel_type": "m.annotation", "event_id": sent["event_id"], "key": c.marker}
    await c.sends(room, "m.reaction", {"m.relates_to": relation}, who=practice)


@route(Control.BARE)
async def passes_on_words_with_a_deletion(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    _, sent = await c.sends(room, "m.room.encrypted", CIPHERTEXT, who=practice)
    path = f"/rooms/{quote(room)}/redact/{quote(sent['event_id'])}/{secrets.token_hex(4)}"
    await c.asks("PUT", path, {"reason": c.marker}, who=practice)


@route(Control.BARE)
async def passes_on_words_as_the_type_of_an_event(c: Cast) -> None:
    practice = await c.practice()
    await c.sends(await c.chat_of(c.victim, practice), f"org.example.{c.marker}", {}, who=practice)


@route(Control.BARE)
async def passes_on_words_when_it_leaves(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.asks("POST", f"/rooms/{quote(room)}/leave", {"reason": c.marker}, who=practice)


@route(Control.BARE)
async def passes_on_words_in_its_membership(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    content = {"membership": "join", "displayname": c.marker}
    await c.sets(room, "m.room.member", content, key=practice.user_id, who=practice)


@route(Control.BARE)
async def passes_on_words_in_an_invitation(c: Cast) -> None:
    practice = await c.practice()
    await c.opens(c.victim.user_id, who=practice, name=c.marker, topic=c.marker)


@route(Control.BARE)
async def passes_on_words_in_its_own_name(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    path = f"/profile/{quote(practice.user_id)}/displayname"
    await c.asks("PUT", path, {"displayname": c.marker}, who=practice)


@route(Control.BARE)
async def passes_on_words_in_a_field_of_its_profile(c: Cast) -> None:
    """Her client shows the profile of whom she talks to."""
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    key = "org.example.words"
    await c.asks("PUT", f"/profile/{quote(practice.user_id)}/{key}", {key: c.marker}, who=practice)
    await c.looks_up(f"/profile/{quote(practice.user_id)}")


@route(Control.BARE)
async def passes_on_words_to_all_devices(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    body = {"messages": {c.victim.user_id: {"*": {"body": c.marker}}}}
    await c.asks("PUT", f"/sendToDevice/org.example.words/{secrets.token_hex(4)}", body, who=practice)


@route(Control.BARE)
async def passes_on_words_as_the_name_of_a_device(c: Cast) -> None:
    """Her client shows whose devices read along."""
    practice = await c.practice()
    await publish_keys(c.scene, practice)
    await c.chat_of(c.victim, practice)
    await c.asks("PUT", f"/devices/{practice.device_id}", {"display_name": c.marker}, who=practice)
    await c.looks_up("/keys/query", {"device_keys": {practice.user_id: []}})


@route(Control.BARE)
async def passes_on_words_in_a_relation(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    _, sent = await c.sends(room, "m.room.encrypted", CIPHERTEXT, who=practice)
    relation = {"rel_type": c.marker, "event_id": sent["event_id"]}
    await c.sends(room, "m.room.encrypted", CIPHERTEXT | {"m.relates_to": relation}, who=practice)


@route(Control.BARE)
async def passes_on_words_to_a_device(c: Cast) -> None:
    practice = await c.practice()
    await c.chat_of(c.victim, practice)
    body = {"messages": {c.victim.user_id: {c.victim.device_id: {"body": c.marker}}}}
    await c.asks("PUT", f"/sendToDevice/org.example.words/{secrets.token_hex(4)}", body, who=practice)


@route(
    Control.BARE,
    open_because="A practice that both know may tell each whatever it likes, as on the telephone: end-to-end encrypted "
    "content is opaque to the server (synapse/handlers/message.py, create_and_send_nonmember_event, "
    "looks at no m.room.encrypted content; it has no key).",
)
async def passes_on_words_in_an_encrypted_message(c: Cast) -> None:
    practice = await c.practice()
    room = await c.chat_of(c.victim, practice)
    await c.sends(room, "m.room.encrypted", CIPHERTEXT | {"ciphertext": c.marker}, who=practice)


def _state_with_words(kind: str, key: str) -> None:
    @route(Control.BARE, name=f"passes on words as {kind.removeprefix('m.room.')}")
    async def passes_on(c: Cast) -> None:
        practice = await c.practice()
        room = await c.opens(c.victim.user_id, who=practice)
        await c.enters(c.victim, room)
        await c.sets(room, kind, {key: c.marker}, who=practice)


for _kind, _key in (
    ("m.room.name", "name"),
    ("m.room.topic", "topic"),
    ("m.room.avatar", "url"),
    ("m.room.pinned_events", "pinned"),
    ("de.gematik.tim.room.name", "name"),
    ("org.example.words", "body"),
    ("m.space.parent", "via"),
    ("m.space.child", "via"),
):
    _state_with_words(_kind, _key)
