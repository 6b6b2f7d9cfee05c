"""Chats with practices of other servers: what is possible, and what a hostile server cannot bring about."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

import aiohttp
import pytest

from tests.clients.hostile_server import HostileRoom, care_state
from tests.synapse_modules.federation import Federation, sync
from tests.synapse_modules.homeserver_under_test import CIPHERTEXT, Homeserver, SignedIn

CLEAR = {"msgtype": "m.text", "body": "in clear"}


async def timeline(ours: Homeserver, who: SignedIn, room_id: str) -> list[dict[str, Any]]:
    _, answer = await ours.call(who, "GET", f"/rooms/{quote(room_id)}/messages?dir=b&limit=100")
    return list(answer.get("chunk", []))


async def shown(ours: Homeserver, who: SignedIn, room_id: str) -> set[str]:
    return {event["event_id"] for event in await timeline(ours, who, room_id)}


async def membership(ours: Homeserver, who: SignedIn, room_id: str) -> str | None:
    found = ours.rows(
        "SELECT membership FROM local_current_membership WHERE room_id = ? AND user_id = ?", room_id, who.user_id
    )
    return found[0][0] if found else None


async def entered(federation: Federation, who: SignedIn, **changed: Mapping[str, Any] | None) -> HostileRoom:
    """A room of the hostile server's practice that a person was invited to and joined."""
    hostile = federation.hostile
    room = hostile.open_room(hostile.user("praxis"), care_state(hostile.user("praxis"), **changed))
    status, answer = await room.invite(who.user_id)
    assert status == 200, answer
    assert await federation.ours.join(who, room.room_id) == 200
    return room


# -- What is possible -------------------------------------------------------------------------------------------------


async def test_a_person_asks_a_practice_of_another_server_and_both_write(federation: Federation) -> None:
    ours, practices = federation.ours, federation.practices
    person, practice = await ours.new_person(), await practices.new_practice()
    await ours.opt_in(practice.user_id, "Praxis")
    status, made = await ours.create_room(person, practice.user_id)
    assert status == 200, made
    room_id = made["room_id"]
    assert (await ours.send(person, room_id))[0] == 403, "nothing before the practice has joined"
    assert await practices.join(practice, room_id) == 200
    await ours.until_async(lambda: sends(ours, person, room_id))
    status, sent = await practices.send(practice, room_id)
    assert status == 200, sent
    await ours.until_async(lambda: shows(ours, person, room_id, sent["event_id"]))


async def sends(ours: Homeserver, who: SignedIn, room_id: str) -> bool:
    return (await ours.send(who, room_id))[0] == 200


async def shows(ours: Homeserver, who: SignedIn, room_id: str, event_id: str) -> bool:
    return event_id in await shown(ours, who, room_id)


async def test_a_practice_of_another_server_invites_a_person_and_both_write(federation: Federation) -> None:
    ours, practices = federation.ours, federation.practices
    person, practice = await ours.new_person(), await practices.new_practice()
    status, made = await practices.create_room(practice, person.user_id)
    assert status == 200, made
    room_id = made["room_id"]
    assert await ours.join(person, room_id) == 200
    assert ours.rows("SELECT insured_user_id FROM hek_room WHERE room_id = ?", room_id) == [(person.user_id,)]
    status, sent = await practices.send(practice, room_id)
    assert status == 200, sent
    await ours.until_async(lambda: shows(ours, person, room_id, sent["event_id"]))
    assert (await ours.send(person, room_id))[0] == 200
    assert ours.rows("SELECT kind FROM hek_room WHERE room_id = ?", room_id) == [("care",)]


async def test_the_invited_side_decides_about_practices_of_other_servers_too(federation: Federation) -> None:
    ours, practices = federation.ours, federation.practices
    person, practice = await ours.new_person(), await practices.new_practice()
    path = f"/user/{person.user_id}/account_data/de.gematik.tim.account.permissionconfig.epa.v1"
    closed: dict[str, Any] = {"defaultSetting": "block all"}
    assert (await ours.call(person, "PUT", path, closed))[0] == 200
    assert (await practices.create_room(practice, person.user_id))[0] == 403
    opened = closed | {"serverExceptions": {practices.server_name: {}}}
    assert (await ours.call(person, "PUT", path, opened))[0] == 200
    assert (await practices.create_room(practice, person.user_id))[0] == 200


@pytest.mark.parametrize(
    ("answered", "status", "errcode", "told"),
    [(403, 403, "M_FORBIDDEN", "nicht erreichbar"), (500, 403, "DE.HEK_TRY_LATER", "später noch einmal")],
)
async def test_an_invitation_that_the_other_server_does_not_take_leaves_no_room_behind(
    federation: Federation, answered: int, status: int, errcode: str, told: str
) -> None:
    """Whoever it was that asked is told so in our words, and her client shows nothing."""
    ours, hostile = federation.ours, federation.hostile
    person, practice = await ours.new_person(), hostile.user(f"praxis-{answered}")
    await ours.opt_in(practice, "Praxis")
    hostile.refuses = (answered, "SECRET")
    try:
        got, answer = await ours.create_room(person, practice)
    finally:
        hostile.refuses = None
    assert (got, answer["errcode"]) == (status, errcode)
    assert told in answer["error"]
    assert " / " in answer["error"]
    assert "rooms" not in await sync(ours, person)
    assert (await ours.create_room(person, practice))[0] == 200


@pytest.mark.parametrize(
    ("answered", "status", "told"), [(403, 403, "wenn Sie eingeladen sind"), (500, 403, "später noch einmal")]
)
async def test_a_join_that_the_other_server_does_not_take_is_told_in_our_words(
    federation: Federation, answered: int, status: int, told: str
) -> None:
    ours, hostile = federation.ours, federation.hostile
    person, room = await ours.new_person(), hostile.open_room(hostile.user("praxis"))
    assert (await room.invite(person.user_id))[0] == 200
    hostile.refuses = (answered, "SECRET")
    try:
        got, answer = await ours.call(person, "POST", f"/rooms/{quote(room.room_id)}/join", {})
    finally:
        hostile.refuses = None
    assert (got, told in answer["error"], " / " in answer["error"]) == (status, True, True)
    assert room.room_id in (await sync(ours, person))["rooms"]["invite"], "she can try again"


# -- Who is kept out --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("who", ["insurer", "stranger"])
async def test_nobody_insured_elsewhere_or_unlisted_invites_a_person(federation: Federation, who: str) -> None:
    person, server = await federation.ours.new_person(), getattr(federation, who)
    status, _ = await server.open_room(server.user("somebody")).invite(person.user_id)
    assert status == 403
    assert "invite" not in (await sync(federation.ours, person)).get("rooms", {})


@pytest.mark.parametrize("who", ["insurer", "stranger", "hostile", "practices"])
async def test_a_person_invites_nobody_insured_elsewhere_nor_unlisted_nor_without_opt_in(
    federation: Federation, who: str
) -> None:
    """Also if the directory says by mistake that an insured person may be reached."""
    ours, server = federation.ours, getattr(federation, who)
    person, target = await ours.new_person(), f"@somebody:{server.server_name}"
    if who in {"insurer", "stranger"}:
        await ours.opt_in(target, "Praxis")
    status, answer = await ours.create_room(person, target)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "erreichbar" in answer["error"]


async def test_the_answer_is_the_same_whether_there_is_such_a_person_or_not(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    agent = await ours.new_agent("agent-abroad")
    answers = [
        await hostile.open_room(hostile.user("praxis")).invite(user_id)
        for user_id in (agent.user_id, f"@nobody:{ours.server_name}", f"@hek:{ours.server_name}")
    ]
    assert {status for status, _ in answers} == {403}
    assert len({answer["error"] for _, answer in answers}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"encryption": None},
        {"encryption": {"algorithm": "m.none"}},
        {"join_rules": {"join_rule": "public"}},
    ],
    ids=["not encrypted", "otherwise encrypted", "public"],
)
async def test_an_invitation_into_a_room_that_is_no_chat_is_refused(
    federation: Federation, changed: dict[str, Any]
) -> None:
    person, hostile = await federation.ours.new_person(), federation.hostile
    praxis = hostile.user("praxis")
    status, _ = await hostile.open_room(praxis, care_state(praxis, **changed)).invite(person.user_id)
    assert status == 403


async def test_an_invitation_is_no_message(federation: Federation) -> None:
    """Neither its reason nor the name and topic that come with it reach the person."""
    person, hostile = await federation.ours.new_person(), federation.hostile
    praxis = hostile.user("praxis")
    named = hostile.open_room(praxis, care_state(praxis, name={"name": "SECRET"}, topic={"topic": "SECRET"}))
    assert (await named.invite(person.user_id, reason="SECRET"))[0] == 403
    assert (await named.invite(person.user_id))[0] == 200
    answer = await sync(federation.ours, person)
    assert named.room_id in answer["rooms"]["invite"]
    assert "SECRET" not in str(answer)


@pytest.mark.parametrize(
    "changed",
    [
        {"history_visibility": {"history_visibility": "world_readable"}},
        {"history_visibility": {"history_visibility": "shared"}},
        {"history_visibility": None},
        {"tombstone": {"body": "moved", "replacement_room": "!a:b"}},
    ],
    ids=["world readable", "shared", "no history setting", "tombstone"],
)
async def test_a_room_that_turns_out_to_be_no_chat_is_never_joined(
    federation: Federation, changed: dict[str, Any]
) -> None:
    ours, person, hostile = federation.ours, await federation.ours.new_person(), federation.hostile
    praxis = hostile.user("praxis")
    room = hostile.open_room(praxis, care_state(praxis, **changed))
    assert (await room.invite(person.user_id))[0] == 200
    await is_refused_and_left(ours, person, room)


async def is_refused_and_left(ours: Homeserver, person: SignedIn, room: HostileRoom) -> None:
    status, answer = await ours.call(person, "POST", f"/rooms/{quote(room.room_id)}/join", {})
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN"), answer
    assert "vertraulich" in answer["error"]
    await ours.until(lambda: room.state_content("m.room.member", person.user_id)["membership"] == "leave")
    await ours.until_async(lambda: has_left(ours, person, room.room_id))
    assert room.room_id not in (await sync(ours, person)).get("rooms", {}).get("join", {})
    assert await timeline(ours, person, room.room_id) == []


@pytest.mark.parametrize("who", ["insurer", "stranger"])
async def test_a_room_with_somebody_insured_elsewhere_or_unlisted_is_never_joined(
    federation: Federation, who: str
) -> None:
    """Only the whole state shows who is there."""
    ours, person, server = federation.ours, await federation.ours.new_person(), getattr(federation, who)
    hostile = federation.hostile
    room = hostile.open_room(hostile.user("praxis"))
    guest = server.user("guest")
    room.add("m.room.member", {"membership": "invite"}, state_key=guest)
    room.take_from(server, "m.room.member", {"membership": "join"}, sender=guest, state_key=guest)
    assert (await room.invite(person.user_id))[0] == 200
    await is_refused_and_left(ours, person, room)


async def test_a_second_insured_person_is_not_invited_into_a_room_that_one_was_asked_into(
    federation: Federation,
) -> None:
    ours, hostile = federation.ours, federation.hostile
    first, second = await ours.new_person(), await ours.new_person()
    room = await entered(federation, first)
    assert (await room.invite(second.user_id))[0] == 403
    pending = hostile.open_room(hostile.user("praxis"))
    assert (await pending.invite(first.user_id))[0] == 200
    assert (await pending.invite(second.user_id))[0] == 403


# -- What a practice's server does against the rules ------------------------------------------------------------------


async def test_what_is_sent_in_clear_is_never_shown_and_the_chat_goes_on(federation: Federation) -> None:
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    hidden = [
        (await room.send("m.room.message", CLEAR))[0],
        (await room.send("m.room.name", {"name": "in clear"}, state_key=""))[0],
        (await room.send("m.room.topic", {"topic": "in clear"}, state_key=""))[0],
        (await room.send("org.example.in_clear", {"body": "in clear"}, state_key="in clear"))[0],
        (await room.send("m.room.encrypted", CIPHERTEXT | {"body": "in clear"}))[0],
        (await room.send("m.reaction", {"m.relates_to": {"key": "in clear"}}))[0],
    ]
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    assert not set(hidden) & await shown(ours, person, room.room_id)
    everything = await sync(ours, person)
    assert "in clear" not in str(everything)
    assert room.room_id in everything["rooms"]["join"]
    assert (await ours.send(person, room.room_id))[0] == 200


async def test_a_reason_is_emptied_and_the_membership_counts(federation: Federation) -> None:
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    colleague = federation.hostile.user("colleague")
    await room.send("m.room.member", {"membership": "invite"}, state_key=colleague)
    await room.send(
        "m.room.member", {"membership": "join", "org.note": "in clear"}, sender=colleague, state_key=colleague
    )
    await room.send(
        "m.room.member", {"membership": "leave", "reason": "in clear"}, sender=colleague, state_key=colleague
    )
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    members = [event for event in await timeline(ours, person, room.room_id) if event.get("state_key") == colleague]
    assert [event["content"] for event in members] == [
        {"membership": "leave"},
        {"membership": "join"},
        {"membership": "invite"},
    ]


async def test_a_member_goes_on_under_the_name_that_she_came_with(federation: Federation) -> None:
    """Whoever comes has a name, and no picture; who was not in the room is thrown out of it by nobody."""
    ours, person, hostile = federation.ours, await federation.ours.new_person(), federation.hostile
    praxis, colleague = hostile.user("praxis"), hostile.user("colleague")
    room = hostile.open_room(praxis)
    named = {"membership": "join", "displayname": "Praxis", "avatar_url": "mxc://in/clear"}
    room.add("m.room.member", named, state_key=praxis)
    assert (await room.invite(person.user_id))[0] == 200
    assert await ours.join(person, room.room_id) == 200
    await room.send("m.room.member", {"membership": "join", "displayname": "in clear"}, state_key=praxis)
    await room.send("m.room.member", {"membership": "invite", "displayname": "in clear"}, state_key=colleague)
    named = {"membership": "join", "displayname": "Colleague", "reason": "in clear"}
    await room.send("m.room.member", named, sender=colleague, state_key=colleague)
    await room.send("m.room.member", {"membership": "ban"}, state_key=hostile.user("in-clear"))
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    for user_id, name in ((praxis, "Praxis"), (colleague, "Colleague")):
        path = f"/rooms/{quote(room.room_id)}/state/m.room.member/{quote(user_id)}"
        assert await ours.call(person, "GET", path) == (200, {"membership": "join", "displayname": name})
    everything = str([await sync(ours, person), await timeline(ours, person, room.room_id)])
    assert "in clear" not in everything
    assert "in/clear" not in everything
    assert "in-clear" not in everything


async def test_who_comes_gets_power_and_goes_is_seen_to_also_if_all_of_it_comes_at_once(federation: Federation) -> None:
    """As after an outage: when each is looked at first, what came before it is not stored yet."""
    ours, person, hostile = federation.ours, await federation.ours.new_person(), federation.hostile
    room, colleague = await entered(federation, person), federation.hostile.user("colleague")
    levels = room.state_content("m.room.power_levels")
    pdus = []
    for kind, content, sender, key in (
        ("m.room.member", {"membership": "invite"}, room.creator, colleague),
        ("m.room.member", {"membership": "join"}, colleague, colleague),
        ("m.room.power_levels", levels | {"users": levels["users"] | {colleague: 50}}, room.creator, ""),
        ("m.room.member", {"membership": "leave"}, colleague, colleague),
        ("m.room.power_levels", levels | {"users": levels["users"] | {colleague: 49}}, room.creator, ""),
    ):
        pdus.append(room.make(kind, content, sender=sender, state_key=key))
        room.take(pdus[-1])
    assert (await hostile.transaction(pdus=pdus))[0] == 200
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    path = f"/rooms/{quote(room.room_id)}/state"
    assert await ours.call(person, "GET", f"{path}/m.room.member/{quote(colleague)}") == (200, {"membership": "leave"})
    assert (await ours.state(person, room.room_id, "m.room.power_levels"))["users"][colleague] == 49
    assert await sends(ours, person, room.room_id)


async def test_a_bare_invitation_is_asked_about_as_any_other(federation: Federation) -> None:
    """Sent as an event, past the invitation of the protocol, to a practice of ours and to a person who left."""
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    path = "/user/{}/account_data/de.gematik.tim.account.permissionconfig.{}.v1"
    closed = {"defaultSetting": "block all"}
    open_practice, closed_practice = [await ours.practice_device(await ours.new_practice("Praxis")) for _ in range(2)]
    of_closed = path.format(quote(closed_practice.user_id), "pro")
    assert (await ours.call(closed_practice, "PUT", of_closed, closed))[0] == 200
    for practice in (closed_practice, open_practice):
        await room.send("m.room.member", {"membership": "invite"}, state_key=practice.user_id)
    await ours.until_async(lambda: is_invited(ours, open_practice, room.room_id))
    assert not await is_invited(ours, closed_practice, room.room_id)
    assert await ours.join(open_practice, room.room_id) == 200
    for setting, expected in (({"defaultSetting": "allow all"}, True), (closed, False)):
        await ours.call(person, "POST", f"/rooms/{quote(room.room_id)}/leave", {})
        await ours.until(lambda: room.state_content("m.room.member", person.user_id)["membership"] == "leave")
        assert (await ours.call(person, "PUT", path.format(quote(person.user_id), "epa"), setting))[0] == 200
        await room.send("m.room.member", {"membership": "invite"}, state_key=person.user_id)
        last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
        await ours.until_async(partial(shows, ours, open_practice, room.room_id, last))
        assert await is_invited(ours, person, room.room_id) is expected


async def is_invited(ours: Homeserver, who: SignedIn, room_id: str) -> bool:
    return room_id in (await sync(ours, who)).get("rooms", {}).get("invite", {})


@pytest.mark.parametrize("ended", ["leave", "ban"])
async def test_a_room_in_which_somebody_insured_was_is_never_joined(federation: Federation, ended: str) -> None:
    """Whoever left or was thrown out still stands in its state."""
    ours, person, hostile = federation.ours, await federation.ours.new_person(), federation.hostile
    room, guest = hostile.open_room(hostile.user("praxis")), federation.insurer.user("guest")
    for membership in ("invite", ended):
        room.add("m.room.member", {"membership": membership}, state_key=guest)
    assert (await room.invite(person.user_id))[0] == 200
    await is_refused_and_left(ours, person, room)


async def test_a_room_whose_encryption_somebody_insured_set_is_never_joined(federation: Federation) -> None:
    """What he sent does not count, and his own membership is not shown by the server: nothing is encrypted there."""
    ours, person, hostile = federation.ours, await federation.ours.new_person(), federation.hostile
    room, guest = hostile.open_room(hostile.user("praxis")), federation.insurer.user("guest")
    megolm = {"algorithm": "m.megolm.v1.aes-sha2"}
    room.add("m.room.member", {"membership": "invite"}, state_key=guest)
    room.take_from(federation.insurer, "m.room.member", {"membership": "join"}, sender=guest, state_key=guest)
    room.take_from(federation.insurer, "m.room.encryption", megolm, sender=guest, state_key="")
    del room.state[("m.room.member", guest)]
    assert (await room.invite(person.user_id))[0] == 200
    await is_refused_and_left(ours, person, room)


async def test_a_practice_deletes_its_own_message_and_nothing_else(federation: Federation) -> None:
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    mine = (await ours.send(person, room.room_id))[1]["event_id"]
    theirs = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    encryption = room.state[("m.room.encryption", "")]
    for target in (mine, encryption, theirs):
        pdu = room.make("m.room.redaction", {}, sender=room.creator, redacts=target)
        room.take(pdu)
        assert (await room.server.transaction(pdus=[pdu]))[0] == 200
    last = (await room.send("m.room.encrypted", CIPHERTEXT))[0]
    await ours.until_async(lambda: shows(ours, person, room.room_id, last))
    content = {event["event_id"]: event["content"] for event in await timeline(ours, person, room.room_id)}
    assert content[theirs] == {}
    assert content[mine] == CIPHERTEXT
    assert (await ours.state(person, room.room_id, "m.room.encryption"))["algorithm"] == "m.megolm.v1.aes-sha2"


BREAKING: dict[str, tuple[str, dict[str, Any]]] = {
    "encryption removed": ("m.room.encryption", {}),
    "encryption changed": ("m.room.encryption", {"algorithm": "m.none"}),
    "encryption weakened": (
        "m.room.encryption",
        {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 1_000_000},
    ),
    "doors opened": ("m.room.join_rules", {"join_rule": "public"}),
    "knocking allowed": ("m.room.join_rules", {"join_rule": "knock"}),
    "history opened": ("m.room.history_visibility", {"history_visibility": "world_readable"}),
    "deletions forbidden": ("m.room.power_levels", {"events": {"m.room.redaction": 100}}),
    "power for somebody who was never in": ("m.room.power_levels", {"users": {"@in-clear:nowhere.example": 1}}),
    "replaced": ("m.room.tombstone", {"body": "in clear", "replacement_room": "!other:example"}),
}


@pytest.mark.parametrize("how", BREAKING)
async def test_who_changes_a_room_for_good_is_left(federation: Federation, how: str) -> None:
    """Nothing of it is shown, she is out of the room, and the change list tells it, once."""
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    kind, content = BREAKING[how]
    broken = (await room.send(kind, content, state_key=""))[0]
    await is_left(ours, person, room)
    assert broken not in await shown(ours, person, room.room_id)
    await ours.until(lambda: room.state_content("m.room.member", person.user_id)["membership"] == "leave")


async def is_left(ours: Homeserver, person: SignedIn, room: HostileRoom) -> None:
    await ours.until_async(lambda: has_left(ours, person, room.room_id))
    await ours.until(lambda: not ours.rows("SELECT 1 FROM hek_room_to_leave WHERE room_id = ?", room.room_id))
    told = ours.rows("SELECT what FROM hek_change WHERE user_id = ? AND what = 'room-left'", person.user_id)
    assert told == [("room-left",)]
    written = ours.rows("SELECT what, reason FROM hek_audit WHERE room_id = ?", room.room_id)
    assert written == [("care-room-left", "another-server-broke-it")]


async def has_left(ours: Homeserver, person: SignedIn, room_id: str) -> bool:
    return await membership(ours, person, room_id) == "leave"


@pytest.mark.parametrize("whose", ["ours", "insurer", "stranger"])
async def test_who_brings_a_second_insured_person_in_is_left(federation: Federation, whose: str) -> None:
    """By a bare event, past every invitation; the second person never hears of it."""
    ours, person, second = federation.ours, await federation.ours.new_person(), await federation.ours.new_person()
    room = await entered(federation, person)
    guest = second.user_id if whose == "ours" else getattr(federation, whose).user("guest")
    await room.send("m.room.member", {"membership": "invite"}, state_key=guest)
    await room.send("m.room.encrypted", CIPHERTEXT)
    await is_left(ours, person, room)
    assert room.room_id not in str(await sync(ours, second))
    assert await membership(ours, second, room.room_id) is None


async def test_who_slips_a_second_insured_person_in_with_the_state_of_a_hidden_event_is_left(
    federation: Federation,
) -> None:
    """Our server then asks for the state after what it was not shown, and would take it as it is told."""
    ours, person, second = federation.ours, await federation.ours.new_person(), await federation.ours.new_person()
    room = await entered(federation, person)
    hidden = room.add("m.room.member", {"membership": "invite"}, state_key=second.user_id)
    federation.hostile.withheld.add(hidden)
    room.add("m.room.encrypted", CIPHERTEXT)
    await room.send("m.room.encrypted", CIPHERTEXT)
    await is_left(ours, person, room)
    assert room.room_id not in str(await sync(ours, second))
    assert await membership(ours, second, room.room_id) is None


# -- Into our own rooms -----------------------------------------------------------------------------------------------


async def test_who_is_not_invited_gets_no_way_in_whether_she_asks_for_one_or_not(federation: Federation) -> None:
    """make_join and make_knock, and a raw send_join that skips them, with what only a member could know."""
    ours, hostile = federation.ours, federation.hostile
    praxis, other = hostile.user("praxis"), hostile.user("other")
    person = await ours.new_person()
    await ours.opt_in(praxis, "Praxis")
    room_id = (await ours.create_room(person, praxis))[1]["room_id"]
    room = await hostile.join(room_id, praxis)
    for server, guest in ((hostile, other), (federation.insurer, federation.insurer.user("guest"))):
        assert (await server.make_join(room_id, guest))[0] == 403
        assert (await server.make_join(room_id, guest, what="knock"))[0] == 403
        raw = room.make("m.room.member", {"membership": "join"}, sender=guest, state_key=guest)
        assert (await server.send_join(raw))[0] == 403
        knock = room.make("m.room.member", {"membership": "knock"}, sender=guest, state_key=guest)
        assert (await server.send_join(knock, what="knock"))[0] in {400, 403}
    # Even with an invitation of the practice's own making, nobody insured elsewhere gets in.
    guest = federation.insurer.user("guest")
    await room.send("m.room.member", {"membership": "invite"}, sender=praxis, state_key=guest)
    raw = room.make("m.room.member", {"membership": "join"}, sender=guest, state_key=guest)
    assert (await federation.insurer.send_join(raw))[0] == 403
    await is_left(ours, person, room)


async def test_rooms_of_the_house_are_closed_to_other_servers(federation: Federation) -> None:
    ours, hostile = federation.ours, federation.hostile
    person = await ours.new_person()
    room_id = (await ours.create_room(person, f"@hek:{ours.server_name}"))[1]["room_id"]
    assert (await hostile.make_join(room_id, hostile.user("praxis")))[0] == 403


# -- What goes out, and what was interrupted -------------------------------------------------------------------------


@pytest.mark.parametrize(("who", "is_asked"), [("hostile", True), ("stranger", False)])
async def test_files_come_from_listed_servers_alone(federation: Federation, who: str, is_asked: bool) -> None:
    """A_26328."""
    ours, server = federation.ours, getattr(federation, who)
    person = await ours.new_person()
    await entered(federation, person)
    address = f"{ours.base}/_matrix/client/v1/media/download/{server.server_name}/abcdef"
    before = len(server.received_requests)
    headers = {"Authorization": f"Bearer {person.access_token}"}
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
        assert answer.status in {403, 404, 502}
    assert any("media" in request for request in server.received_requests[before:]) is is_asked


async def test_a_room_that_is_noted_is_left_whatever_was_interrupted(federation: Federation) -> None:
    """The row is all that is left of a process that ended between the event and the leaving."""
    ours, person = federation.ours, await federation.ours.new_person()
    room = await entered(federation, person)
    ours.change_row("INSERT INTO hek_room_to_leave (room_id, noted_at) VALUES (?, 1)", room.room_id)
    await is_left(ours, person, room)


@pytest.mark.parametrize("door", ["public", "knock"])
async def test_a_person_goes_nowhere_uninvited(federation: Federation, door: str) -> None:
    """Its server is not even asked."""
    ours, hostile = federation.ours, federation.hostile
    person, praxis = await ours.new_person(), hostile.user("praxis")
    room = hostile.open_room(praxis, care_state(praxis, join_rules={"join_rule": door}))
    before = len(hostile.received_requests)
    for way in ("join", "knock"):
        path = f"/{way}/{quote(room.room_id)}?server_name={hostile.server_name}&via={hostile.server_name}"
        status, answer = await ours.call(person, "POST", path, {})
        assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert not [request for request in hostile.received_requests[before:] if room.room_id in request]
