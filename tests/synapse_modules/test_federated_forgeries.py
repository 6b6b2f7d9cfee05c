"""Events that a homeserver takes otherwise than they were signed, or does not take: they reach nobody either."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.clients.hostile_server import HostileRoom, care_state
from tests.synapse_modules.federation import Federation, sync
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT
from tests.synapse_modules.test_federated_chats import (
    entered,
    is_left,
    is_refused_and_left,
    membership,
    sends,
    shown,
    shows,
    timeline,
)
from tests.synapse_modules.test_federation_requests import in_common

MEGOLM = {"algorithm": "m.megolm.v1.aes-sha2"}


async def send_with_wrong_hash(
    room: HostileRoom, kind: str, content: Mapping[str, Any], *, state_key: str | None = None
) -> str:
    """Sends what Synapse makes bare, since it does not fit its own hash; its id."""
    pdu = room.make(kind, content, sender=room.creator, state_key=state_key)
    pdu["content"] = {**content, "org.example.added": 1}
    event_id = room.take(pdu)
    status, answer = await room.server.transaction(pdus=[pdu])
    assert status == 200, answer
    return event_id


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("m.room.encryption", MEGOLM),
        ("m.room.join_rules", {"join_rule": "public"}),
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
    ],
)
async def test_what_is_left_of_an_event_with_a_wrong_hash_is_judged_too(
    federation: Federation, kind: str, content: dict[str, Any]
) -> None:
    """Of the encryption nothing is left, of the others what counts: the room would be another one."""
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    before = await ours.state(person, room.room_id, kind)
    broken = await send_with_wrong_hash(room, kind, content, state_key="")
    await is_left(ours, person, room)
    assert broken not in await shown(ours, person, room.room_id)
    assert await ours.state(person, room.room_id, kind) == before


async def test_nobody_is_brought_in_by_an_event_with_a_wrong_hash(federation: Federation) -> None:
    ours, person, second = federation.ours, await federation.ours.new_person(), await federation.ours.new_person()
    room = await entered(federation, person)
    await send_with_wrong_hash(room, "m.room.member", {"membership": "invite"}, state_key=second.user_id)
    await is_left(ours, person, room)
    assert room.room_id not in str(await sync(ours, second))
    assert await membership(ours, second, room.room_id) is None


async def test_the_type_of_an_event_with_a_wrong_hash_is_no_message_and_a_deleted_one_is_shown_as_such(
    federation: Federation,
) -> None:
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    words = await send_with_wrong_hash(room, "org.example.words in clear", {})
    deleted = await send_with_wrong_hash(room, "m.room.encrypted", CIPHERTEXT)
    await ours.until_async(lambda: shows(ours, person, room.room_id, deleted))
    assert words not in await shown(ours, person, room.room_id)
    assert "words in clear" not in str(await sync(ours, person))


async def test_a_room_is_entered_as_it_is_taken_not_as_it_is_told(federation: Federation) -> None:
    """The encryption that its server tells does not fit its hash; what is left of it is none."""
    ours, person, hostile = federation.ours, await federation.ours.new_person(), federation.hostile
    praxis = hostile.user("praxis")
    room = hostile.open_room(praxis, care_state(praxis, encryption={"algorithm": "m.none"}))
    room.events[room.state[("m.room.encryption", "")]]["content"] = dict(MEGOLM)
    assert (await room.invite(person.user_id))[0] == 200
    await is_refused_and_left(ours, person, room)


async def test_a_deletion_counts_that_comes_together_with_what_it_deletes(federation: Federation) -> None:
    """When it is looked at first, the message is not stored yet. With a reason it counts for nothing."""
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    deleted, kept = [], []
    for reason in ({}, {"reason": "in clear"}):
        pdus = [room.make("m.room.encrypted", CIPHERTEXT, sender=room.creator)]
        deleted.append(room.take(pdus[0]))
        pdus.append(room.make("m.room.redaction", reason, sender=room.creator, redacts=deleted[-1]))
        kept.append(room.take(pdus[1]))
        assert (await room.server.transaction(pdus=pdus))[0] == 200
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    content = {event["event_id"]: event["content"] for event in await timeline(ours, person, room.room_id)}
    assert [content[event_id] for event_id in deleted] == [{}, CIPHERTEXT]
    assert kept[1] not in content
    assert "in clear" not in str(await sync(ours, person))


async def test_nobody_leaves_for_what_counts_nowhere(federation: Federation) -> None:
    """Without the power for it, or without being in the room, nobody changes it on any server."""
    ours, hostile, person = federation.ours, federation.hostile, await federation.ours.new_person()
    room = await hostile.join(await in_common(federation, person), hostile.user("praxis"))
    tips = list(room.tips)
    for sender in (hostile.user("praxis"), hostile.user("never-there")):
        pdu = room.make("m.room.join_rules", {"join_rule": "public"}, sender=sender, state_key="")
        assert (await hostile.transaction(pdus=[pdu]))[0] == 200
    room.tips = tips
    last = (await room.send("m.room.encrypted", CIPHERTEXT, sender=hostile.user("praxis")))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    assert await sends(ours, person, room.room_id)
    assert not ours.rows("SELECT 1 FROM hek_room_to_leave WHERE room_id = ?", room.room_id)
    assert await membership(ours, person, room.room_id) == "join"
