"""Rooms against a real Synapse: who opens, enters and writes where; nothing is half made."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest

from tests.synapse_modules.homeserver_under_test import OPERATOR, SERVICE, SUPPORT, Homeserver, claims, new_kvnr


async def test_a_chat_is_asked_for_then_accepted_then_used(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis Sommer")
    status, answer = await homeserver.create_room(person, practice.user_id)
    assert status == 200, answer
    room = answer["room_id"]
    status, answer = await homeserver.send(person, room)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "nicht angenommen" in answer["error"]
    assert "not accepted" in answer["error"]
    assert homeserver.rows("SELECT kind FROM hek_room WHERE room_id = ?", room) == [("request",)]
    device = await homeserver.practice_device(practice)
    assert await homeserver.join(device, room) == 200
    assert (await homeserver.send(device, room))[0] == 200
    assert (await homeserver.send(person, room))[0] == 200
    rows = homeserver.rows("SELECT kind, insured_user_id FROM hek_room WHERE room_id = ?", room)
    assert rows == [("care", person.user_id)]


async def test_a_room_is_private_and_encrypted_whatever_the_client_left_out(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    forged = {"de.hek.room": {"kind": "support", "insured": "@x:y"}}
    body = {"invite": [practice.user_id], "name": "Rückenschmerzen", "topic": "Befund", "creation_content": forged}
    status, answer = await homeserver.call(person, "POST", "/createRoom", body)
    assert status == 200, answer
    room = answer["room_id"]
    assert (await homeserver.state(person, room, "m.room.encryption"))["algorithm"] == "m.megolm.v1.aes-sha2"
    assert (await homeserver.state(person, room, "m.room.join_rules"))["join_rule"] == "invite"
    assert (await homeserver.state(person, room, "m.room.history_visibility"))["history_visibility"] == "invited"
    assert (await homeserver.state(person, room, "m.room.guest_access"))["guest_access"] == "forbidden"
    create = await homeserver.state(person, room, "m.room.create")
    assert (create["room_version"], create["de.hek.room"]["kind"]) == ("10", "request")
    for event_type in ("m.room.name", "m.room.topic", "m.room.canonical_alias"):
        assert (await homeserver.state(person, room, event_type))["errcode"] == "M_NOT_FOUND"


async def test_the_refusal_does_not_tell_who_somebody_is(homeserver: Homeserver) -> None:
    person, other = await homeserver.new_person(), await homeserver.new_person("Max")
    unlisted = await homeserver.new_practice("Praxis Winter", opts_in=False)
    agent = await homeserver.new_agent("berg")
    rooms = homeserver.count("rooms")
    answers = [
        await homeserver.create_room(person, user_id)
        for user_id in (
            other.user_id, unlisted.user_id, agent.user_id, OPERATOR, "@nobody:hek.test", person.user_id
        )
    ]  # fmt: skip
    assert {status for status, _ in answers} == {403}
    assert len({(answer["errcode"], answer["error"]) for _, answer in answers}) == 1
    assert homeserver.count("rooms") == rooms


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"invite": []}, 400),
        ({"invite": "@x:y"}, 400),
        ({"invite": [None]}, 400),
        ({"visibility": "public"}, 400),
        ({"preset": "public_chat"}, 400),
        ({"preset": ["private_chat"]}, 400),
        ({"room_version": "11"}, 400),
        ({"creation_content": {"type": "m.space"}}, 400),
        ({"creation_content": []}, 400),
        ({"initial_state": {}}, 400),
        ({"initial_state": [None]}, 400),
        ({"initial_state": [{"type": "m.room.join_rules", "content": {"join_rule": "knock"}}]}, 400),
        ({"initial_state": [{"type": "m.room.encryption", "content": {"algorithm": "none"}}]}, 400),
        ({"initial_state": [{"type": "m.room.power_levels", "content": {}}]}, 400),
        ({"initial_state": [{"type": "m.widget", "content": {}}]}, 400),
        ({"invite_3pid": [{"medium": "email"}]}, 400),
    ],
)
async def test_rooms_of_another_form_are_refused_before_anything_is_made(
    homeserver: Homeserver, more: dict[str, Any], status: int
) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    rooms = homeserver.count("rooms")
    answered, answer = await homeserver.create_room(person, practice.user_id, **more)
    assert (answered, " / " in answer["error"]) == (status, True)
    assert homeserver.count("rooms") == rooms


async def test_two_practices_at_once_are_refused(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    practices = [(await homeserver.new_practice("Praxis")).user_id for _ in range(2)]
    assert (await homeserver.create_room(person, *practices))[0] == 400


async def test_nobody_else_gets_into_a_care_room(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    other, agent = await homeserver.new_person("Max"), await homeserver.new_agent("berg")
    second = await homeserver.new_practice("Praxis Herbst")
    for user_id in (other.user_id, agent.user_id, SUPPORT, SERVICE, OPERATOR, second.user_id, "@nobody:hek.test"):
        for inviter in (person, device):
            status, answer = await homeserver.invite(inviter, room, user_id)
            assert status == 403, user_id
            assert " / " in answer["error"]
    for stranger in (other, agent, await homeserver.own_account(SUPPORT, "bot")):
        assert await homeserver.join(stranger, room) == 403


async def test_what_protects_a_room_cannot_be_changed(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    changes: list[tuple[str, dict[str, Any]]] = [
        ("m.room.encryption", {"algorithm": "m.megolm.v1.aes-sha2", "rotation_period_msgs": 1}),
        ("m.room.join_rules", {"join_rule": "public"}),
        ("m.room.history_visibility", {"history_visibility": "world_readable"}),
        ("m.room.power_levels", {"users": {person.user_id: 100}}),
        ("m.room.name", {"name": "Rückenschmerzen"}),
        ("m.room.retention", {"max_lifetime": 1}),
    ]
    for who in (person, device):
        for event_type, content in changes:
            status, _ = await homeserver.call(who, "PUT", f"/rooms/{quote(room)}/state/{event_type}", content)
            assert status == 403, event_type
    for path, body in (("upgrade", {"new_version": "10"}), ("upgrade", {"new_version": "11"})):
        assert (await homeserver.call(person, "POST", f"/rooms/{quote(room)}/{path}", body))[0] == 403
    status, _ = await homeserver.call(person, "PUT", f"/directory/room/{quote('#schmerz:hek.test')}", {"room_id": room})
    assert status == 403


async def test_messages_in_clear_are_refused_and_own_ones_can_be_deleted(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    status, answer = await homeserver.send(person, room, "m.room.message", {"msgtype": "m.text", "body": "Guten Tag"})
    assert (status, "verschlüsselt" in answer["error"]) == (403, True)
    _, sent = await homeserver.send(person, room)
    path = f"/rooms/{quote(room)}/redact/{quote(sent['event_id'])}"
    assert (await homeserver.call(device, "PUT", f"{path}/1", {}))[0] == 403
    assert (await homeserver.call(person, "PUT", f"{path}/2", {}))[0] == 200
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": sent["event_id"], "key": "👍"}}
    assert (await homeserver.send(device, room, "m.reaction", reaction))[0] == 200


async def test_a_person_writes_only_where_a_practice_reads(homeserver: Homeserver) -> None:
    person, first_device, _, room = await homeserver.care_room()
    status, message = await homeserver.send(person, room)
    assert status == 200
    assert (await homeserver.call(first_device, "POST", f"/rooms/{quote(room)}/leave", {}))[0] == 200
    status, answer = await homeserver.send(person, room)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "verlassen" in answer["error"]
    assert "has left" in answer["error"]
    # Another one is asked in the same room; it reads nothing that was written before it accepted.
    second = await homeserver.new_practice("Praxis Winter")
    second_device = await homeserver.practice_device(second)
    assert (await homeserver.invite(person, room, second.user_id))[0] == 200
    status, answer = await homeserver.send(person, room)
    assert status == 403
    assert "nicht angenommen" in answer["error"]
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": message["event_id"], "key": "👍"}}
    assert (await homeserver.send(person, room, "m.reaction", reaction))[0] == 403
    deletion = f"/rooms/{quote(room)}/redact/{quote(message['event_id'])}/1"
    assert (await homeserver.call(person, "PUT", deletion, {}))[0] == 200
    assert await homeserver.join(second_device, room) == 200
    assert (await homeserver.send(person, room))[0] == 200


async def test_a_practice_asks_a_person_whom_it_knows_and_waits_for_her(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis", opts_in=False)
    device = await homeserver.practice_device(practice)
    status, answer = await homeserver.create_room(device, person.user_id)
    assert status == 200, answer
    room = answer["room_id"]
    assert (await homeserver.send(device, room))[0] == 403
    assert await homeserver.join(person, room) == 200
    assert (await homeserver.send(device, room))[0] == 200
    other = await homeserver.practice_device(await homeserver.new_practice("Andere"))
    assert (await homeserver.create_room(device, other.user_id))[0] == 403


async def test_a_person_writes_to_hek_and_hek_to_her(homeserver: Homeserver) -> None:
    person, bot = await homeserver.new_person(), await homeserver.own_account(SUPPORT, "bot")
    _, made = await homeserver.create_room(person, SUPPORT)
    assert await homeserver.join(bot, made["room_id"]) == 200
    assert (await homeserver.send(person, made["room_id"]))[0] == 200
    levels = await homeserver.state(person, made["room_id"], "m.room.power_levels")
    assert levels["users"][SUPPORT] == 100
    for account, client_id, kind in ((SUPPORT, "bot", "support"), (SERVICE, "retention", "service")):
        sender = await homeserver.own_account(account, client_id)
        status, made = await homeserver.create_room(
            sender, person.user_id, room_alias_name=f"{kind}-{made['room_id'][1:9]}"
        )
        assert status == 200, made
        assert await homeserver.join(person, made["room_id"]) == 200
        assert (await homeserver.send(person, made["room_id"]))[0] == 200
        rows = homeserver.rows("SELECT kind, insured_user_id FROM hek_room WHERE room_id = ?", made["room_id"])
        assert rows == [(kind, person.user_id)]


async def test_a_person_writes_to_the_service_account_that_she_finds(homeserver: Homeserver) -> None:
    person, service = await homeserver.new_person(), await homeserver.own_account(SERVICE, "retention")
    status, made = await homeserver.create_room(person, SERVICE)
    assert status == 200, made
    room = made["room_id"]
    assert await homeserver.join(service, room) == 200
    for sender in (person, service):
        assert (await homeserver.send(sender, room))[0] == 200
    levels = await homeserver.state(person, room, "m.room.power_levels")
    assert levels["users"][SERVICE] == 100
    rows = homeserver.rows("SELECT kind, insured_user_id FROM hek_room WHERE room_id = ?", room)
    assert rows == [("service", person.user_id)]
    assert (await homeserver.invite(person, room, SUPPORT))[0] == 403


async def test_no_words_of_a_persons_own_get_into_her_membership(homeserver: Homeserver) -> None:
    person, device, _, room = await homeserver.care_room()
    path = f"/rooms/{quote(room)}/state/m.room.member/{quote(person.user_id)}"
    body = {"membership": "join", "displayname": "Rückenschmerzen", "avatar_url": "mxc://hek.test/abc"}
    assert (await homeserver.call(person, "PUT", path, body))[0] == 200
    for worded in ({"reason": "Befund"}, {"note": "Befund"}):
        assert (await homeserver.call(person, "PUT", path, body | worded))[0] == 200
    member = await homeserver.state(device, room, f"m.room.member/{quote(person.user_id)}")
    assert member["displayname"] == "Erika Muster"
    assert member.get("avatar_url") is None
    assert not member.keys() & {"reason", "note"}


@pytest.mark.parametrize(
    ("event_type", "content"),
    [
        ("m.room.encrypted", {"body": "Befund im Klartext"}),
        ("m.room.message", {"msgtype": "m.text", "body": "Befund im Klartext"}),
    ],
)
async def test_no_words_are_sent_beside_the_ciphertext(
    homeserver: Homeserver, event_type: str, content: dict[str, object]
) -> None:
    person, _, _, room = await homeserver.care_room()
    status, answer = await homeserver.send(person, room, event_type, content)
    assert (status, answer["errcode"]) == (403, "M_FORBIDDEN")
    assert "verschlüsselt" in answer["error"]


async def test_deletions_and_reactions_carry_no_words(homeserver: Homeserver) -> None:
    person, _, _, room = await homeserver.care_room()
    sent = (await homeserver.send(person, room))[1]["event_id"]
    for key in ("Befund positiv", "👍👎"):
        reaction = {"rel_type": "m.annotation", "event_id": sent, "key": key}
        status, answer = await homeserver.send(person, room, "m.reaction", {"m.relates_to": reaction})
        assert (status, answer["errcode"]) == (400, "M_BAD_JSON")
        assert "Emoji" in answer["error"]
    path = f"/rooms/{quote(room)}/redact/{quote(sent)}"
    for words in ("reason", "redacts"):
        assert (await homeserver.call(person, "PUT", f"{path}/1", {words: "Befund"}))[0] == 403
    assert (await homeserver.call(person, "PUT", f"{path}/2", {}))[0] == 200


async def test_an_invitation_and_a_leave_carry_no_words(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis Wort")
    status, made = await homeserver.create_room(person, practice.user_id)
    assert status == 200, made
    room = made["room_id"]
    path = f"/rooms/{quote(room)}/state/m.room.member/{quote(practice.user_id)}"
    worded = {"membership": "invite", "reason": "Befund", "text": "Befund"}
    assert (await homeserver.call(person, "PUT", path, worded))[0] in {200, 403}
    body = {"user_id": practice.user_id, "reason": "Befund"}
    assert (await homeserver.call(person, "POST", f"/rooms/{quote(room)}/invite", body))[0] in {200, 403}
    assert (await homeserver.call(person, "POST", f"/rooms/{quote(room)}/leave", {"reason": "Befund"}))[0] == 200
    assert not homeserver.rows("SELECT 1 FROM event_json WHERE json LIKE '%Befund%'")


async def test_team_rooms_are_for_agents_alone(homeserver: Homeserver) -> None:
    bot, agent, person = (
        await homeserver.own_account(SUPPORT, "bot"),
        await homeserver.new_agent("berg"),
        await homeserver.new_person(),
    )
    status, made = await homeserver.create_room(bot, room_alias_name=f"team-{person.device_id}")
    assert status == 200, made
    room = made["room_id"]
    assert (await homeserver.invite(bot, room, person.user_id))[0] == 403
    assert (await homeserver.invite(bot, room, OPERATOR))[0] == 403
    assert (await homeserver.invite(bot, room, agent.user_id))[0] == 200
    assert await homeserver.join(agent, room) == 200
    assert (await homeserver.send(agent, room))[0] == 200
    assert (await homeserver.invite(agent, room, (await homeserver.new_agent("tal")).user_id))[0] == 403


async def test_agents_and_administrators_open_no_rooms(homeserver: Homeserver) -> None:
    person = await homeserver.new_person()
    for who in (await homeserver.new_agent("berg"), await homeserver.own_account(OPERATOR, "operator")):
        assert (await homeserver.create_room(who, person.user_id))[0] == 403
        assert (await homeserver.create_room(who))[0] == 403


async def test_an_account_without_a_kind_has_no_rights(homeserver: Homeserver) -> None:
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    homeserver.change_row("DELETE FROM hek_account WHERE user_id = ?", person.user_id)
    assert (await homeserver.create_room(person, practice.user_id))[0] == 403
    assert (await homeserver.create_room(person, SUPPORT))[0] == 403
    assert (await homeserver.create_room(person))[0] == 403


async def test_a_name_that_changes_is_shown_in_rooms_too(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    person = await homeserver.sign_in(claims(kvnr, "Erika Ledig"))
    practice = await homeserver.new_practice("Praxis")
    _, made = await homeserver.create_room(person, practice.user_id)
    await homeserver.sign_in(claims(kvnr, "Erika Verheiratet"))
    names = "SELECT display_name FROM room_memberships WHERE room_id = ? AND user_id = ?"
    await homeserver.until(lambda: ("Erika Verheiratet",) in homeserver.rows(names, made["room_id"], person.user_id))


async def test_a_withdrawn_practice_is_no_longer_reached_and_its_chats_go_on(homeserver: Homeserver) -> None:
    person, _, practice, room = await homeserver.care_room()
    await homeserver.opt_in(practice.user_id, None)
    assert (await homeserver.create_room(person, practice.user_id))[0] == 403
    assert (await homeserver.send(person, room))[0] == 200
    withdrawn = "SELECT what FROM hek_change WHERE user_id = ? ORDER BY version DESC LIMIT 1"
    assert homeserver.rows(withdrawn, practice.user_id) == [("reachability-withdrawn",)]
    told = "SELECT what, kind, room_id FROM hek_change WHERE user_id = ? AND room_id IS NOT NULL"
    assert homeserver.rows(told, person.user_id) == [("practice-pauses", "insured", room)]
