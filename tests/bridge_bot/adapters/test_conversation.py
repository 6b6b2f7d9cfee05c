"""From the invitation to the answer, over the messenger as it is wired, on a real database."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bridge_bot.store.promise_report import PromiseReport
from bridge_bot.use_cases.homeserver import Account
from messenger_core.account_changes import AccountEvent
from messenger_core.account_kinds import AccountKind
from messenger_core.matrix import DeviceTrust, SendFailed
from tests.bridge_bot.scene import BERG, BOT, ERIKA, HERS, MAX, TAL, Killed, Scene


async def test_the_greeting_says_within_24_hours_not_for_emergencies_and_lists_the_topics(scene: Scene) -> None:
    scene.fit_room()
    await scene.invited()
    (greeting,) = scene.said_in(HERS)
    for part in ("24 Stunden", "112", "116117", "24 hours", "1. Krankengeld / Sick pay", "2. Familienversicherung"):
        assert part in greeting


async def test_only_insured_people_with_an_open_account_are_let_in(scene: Scene) -> None:
    strangers = {
        "@praxis:x": Account(AccountKind.PRACTICE, "Praxis", locked=False),
        "@locked:x": Account(AccountKind.INSURED, "L", locked=True),
    }
    scene.homeserver.accounts |= strangers
    for person in [*strangers, "@unknown:elsewhere"]:
        room = f"!of-{person}"
        scene.fit_room(room, person)
        await scene.invited(room, person)
        assert room in scene.account.left
    assert scene.account.joined == []


async def test_an_invitation_waits_for_a_homeserver_that_is_down(scene: Scene) -> None:
    scene.fit_room()
    scene.homeserver.down = True
    await scene.invited()
    assert scene.account.joined == []
    scene.homeserver.down = False
    await scene.settle()
    assert scene.account.joined == [HERS]


async def test_a_room_without_encryption_is_left_silently_for_one_of_our_own(scene: Scene) -> None:
    scene.fit_room()
    del scene.account.states[HERS, "m.room.encryption"]
    await scene.invited()
    assert scene.account.left == [HERS]
    assert scene.said_in(HERS) == []
    (own,) = [room for room, members in scene.account.rooms.items() if members.get(ERIKA) == "invite"]
    assert "erika" not in own
    assert scene.said_in(own) == []
    await scene.receive(own, ERIKA, {"membership": "join"}, event_type="m.room.member", state_key=ERIKA)
    await scene.settle()
    assert "116117" in scene.said_in(own)[0]


async def test_a_ticket_names_the_person_her_topic_and_the_time_left(scene: Scene) -> None:
    root = await scene.ticket()
    in_team = [sending for sending in scene.account.taken if sending.room_id == scene.team_room]
    assert in_team[0].event_id == root
    for part in ("2026-000001", "Krankengeld", "Erika Mustermann", "noch 24 Std. 0 Min., bis 24.11.2026, 20:15"):
        assert part in in_team[0].body
    assert in_team[1].body == "Wann kommt mein Krankengeld?"
    assert in_team[1].content["m.relates_to"] == {
        "rel_type": "m.thread",
        "event_id": root,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": root},
    }


async def test_messages_and_files_before_the_choice_are_relayed_after_it_in_their_order(scene: Scene) -> None:
    scene.fit_room()
    await scene.invited()
    await scene.text(ERIKA, "Guten Tag")
    await scene.file(ERIKA, "Bescheid.pdf")
    scene.pass_time(hours=2)
    await scene.text(ERIKA, "Was bedeutet das?")
    assert scene.said_in(scene.team_room) == []
    await scene.text(ERIKA, "Krankengeld")
    root, *relayed = scene.said_in(scene.team_room)
    assert "noch 22 Std. 0 Min." in root
    assert relayed == ["Guten Tag", "Bescheid.pdf", "Was bedeutet das?"]


async def test_an_answer_in_the_thread_reaches_the_person_signed_by_the_insurer(scene: Scene) -> None:
    root = await scene.ticket()
    scene.pass_time(minutes=12)
    await scene.text(BERG, "!antwort Am Freitag.", room=scene.team_room, thread=root)
    assert scene.said_in(HERS)[-1] == "Am Freitag.\n\nIhre HEK"
    assert "nach 0 Std. 12 Min. und damit innerhalb" in scene.said_in(scene.team_room)[-1]
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert (row.ticket, row.topic, row.team, row.minutes, row.in_time.value) == (
        "2026-000001",
        "krankengeld",
        "leistungen",
        12,
        "yes",
    )


async def test_notes_never_reach_the_person_and_are_hinted_at_once_a_series(scene: Scene) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    await scene.text(BERG, "Kennt jemand den Fall?", room=scene.team_room, thread=root)
    await scene.text(BERG, "Ich frage Tal.", room=scene.team_room, thread=root)
    await scene.file(BERG, "!antwort.pdf", room=scene.team_room, thread=root)
    await scene.text(BERG, "Guten Morgen!", room=scene.team_room)
    assert scene.said_in(HERS) == before
    assert sum("Interne Notiz" in body for body in scene.said_in(scene.team_room)) == 1
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert row.in_time.value == "open"
    await scene.text(ERIKA, "Noch etwas")
    await scene.text(BERG, "Aha", room=scene.team_room, thread=root)
    assert sum("Interne Notiz" in body for body in scene.said_in(scene.team_room)) == 2


@pytest.mark.parametrize("sender", [TAL, MAX])
async def test_only_an_agent_of_the_team_can_answer(scene: Scene, sender: str) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    await scene.text(sender, "!antwort Von mir", room=scene.team_room, thread=root)
    assert scene.said_in(HERS) == before


async def test_an_answer_in_clear_outside_the_thread_or_by_an_edit_is_not_sent(scene: Scene) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    answer = {"msgtype": "m.text", "body": "!antwort Ja"}
    await scene.receive(scene.team_room, BERG, answer, thread=root, encrypted=False)
    await scene.text(BERG, "!antwort Ja", room=scene.team_room)
    await scene.text(BERG, "!anwort Ja", room=scene.team_room, thread=root)
    note = await scene.text(BERG, "nur intern", room=scene.team_room, thread=root)
    edit = {
        "body": "* !antwort Ja",
        "m.new_content": answer,
        "m.relates_to": {"rel_type": "m.replace", "event_id": note},
    }
    await scene.receive(scene.team_room, BERG, edit)
    await scene.settle()
    assert scene.said_in(HERS) == before
    notices = "\n".join(scene.said_in(scene.team_room))
    for part in ("im Thread des Tickets", "Diesen Befehl gibt es nicht", "Die Bearbeitung bleibt intern"):
        assert part in notices


async def test_files_go_both_ways_with_their_captions(scene: Scene) -> None:
    root = await scene.ticket()
    await scene.file(ERIKA, "Attest.pdf", body="Mein Attest")
    assert scene.said_in(scene.team_room)[-2:] == ["Mein Attest", "Attest.pdf"]
    assert scene.account.taken[-1].file == b"content of Attest.pdf"
    assert scene.account.taken[-1].thread == root
    await scene.file(BERG, "Antrag.pdf", room=scene.team_room, thread=root, body="!antwort Bitte ausfüllen")
    assert scene.said_in(HERS)[-2:] == ["Bitte ausfüllen\n\nIhre HEK", "Antrag.pdf"]
    await scene.file(BERG, "Info.pdf", room=scene.team_room, thread=root, body="!a")
    assert scene.said_in(HERS)[-1] == "Info.pdf"
    assert scene.account.taken[-2].file == b"content of Info.pdf"
    assert not any("!a" in str(sending.content) for sending in scene.account.taken if sending.room_id == HERS)


async def test_a_picture_goes_both_ways_with_its_thumbnail_and_dimensions(scene: Scene) -> None:
    root = await scene.ticket()
    scene.account.files |= {"mxc://hek.localhost/knee": b"the picture", "mxc://hek.localhost/small": b"a small one"}
    picture = {
        "msgtype": "m.image",
        "body": "Knie.jpg",
        "file": {"url": "mxc://hek.localhost/knee"},
        "info": {
            "mimetype": "image/jpeg",
            "w": 4000,
            "h": 3000,
            "thumbnail_file": {"url": "mxc://hek.localhost/small"},
            "thumbnail_info": {"mimetype": "image/jpeg"},
        },
    }
    await scene.receive(HERS, ERIKA, picture)
    answer = {**picture, "body": "!a", "filename": "Übung.jpg"}
    await scene.receive(scene.team_room, BERG, answer, thread=root)
    await scene.settle()
    relayed = [sending for sending in scene.account.taken if sending.file is not None]
    assert [(sending.room_id, sending.body) for sending in relayed] == [
        (scene.team_room, "Knie.jpg"),
        (HERS, "Übung.jpg"),
    ]
    for sending in relayed:
        assert (sending.file, sending.thumbnail) == (b"the picture", b"a small one")
        assert sending.content["msgtype"] == "m.image"
        assert (sending.content["info"]["w"], sending.content["info"]["h"]) == (4000, 3000)


async def test_a_file_is_waited_for_as_long_as_the_outage_lasts(scene: Scene) -> None:
    await scene.ticket()
    scene.account.media_down = True
    await scene.file(ERIKA, "Attest.pdf")
    scene.pass_time(days=2)
    await scene.settle()
    assert not any("konnte nicht geöffnet werden" in body for body in scene.said_in(HERS))
    scene.account.media_down = False
    await scene.settle()
    assert scene.said_in(scene.team_room)[-1] == "Attest.pdf"


async def test_what_is_too_large_to_be_relayed_is_told_to_its_writer_and_holds_nothing_up(scene: Scene) -> None:
    root = await scene.ticket()
    scene.account.too_large |= {"Sehr lang", "Auch lang\n\nIhre HEK"}
    await scene.text(ERIKA, "Sehr lang")
    await scene.text(ERIKA, "Danach")
    assert "zu groß" in scene.said_in(HERS)[-1]
    assert "Danach" in scene.said_in(scene.team_room)
    assert any("ist zu groß und kann hier nicht gezeigt werden" in body for body in scene.said_in(scene.team_room))
    await scene.text(BERG, "!antwort Auch lang", room=scene.team_room, thread=root)
    assert "Antwort nicht zugestellt: Sie ist zu groß" in scene.said_in(scene.team_room)[-1]
    await scene.text(BERG, "!antwort Kurz", room=scene.team_room, thread=root)
    assert scene.said_in(HERS)[-1] == "Kurz\n\nIhre HEK"


async def test_agents_are_told_when_a_device_cannot_read_their_answer_yet(scene: Scene) -> None:
    root = await scene.ticket()
    scene.account.unreached = 1
    await scene.text(BERG, "!antwort Guten Tag", room=scene.team_room, thread=root)
    delivered, waits = scene.said_in(scene.team_room)[-2:]
    assert delivered.startswith("Antwort zugestellt")
    assert "kann sie noch nicht lesen" in waits


async def test_a_file_that_does_not_exist_is_told_to_both_sides_and_holds_nothing_up(scene: Scene) -> None:
    await scene.ticket()
    lost = {"msgtype": "m.file", "body": "x.pdf", "file": {"url": "mxc://hek.localhost/gone"}}
    await scene.receive(HERS, ERIKA, lost)
    await scene.text(ERIKA, "Danach")
    team = scene.said_in(scene.team_room)
    assert "Danach" in team
    assert any("konnte nicht geöffnet werden" in body for body in team)
    assert "Ihre Datei konnte nicht geöffnet werden" in scene.said_in(HERS)[-1]


async def test_a_deleted_message_is_deleted_with_all_its_copies_by_its_sender_alone(scene: Scene) -> None:
    await scene.ticket()
    mine = await scene.file(ERIKA, "Attest.pdf", body="Mein Attest")
    copies = [(s.room_id, s.event_id) for s in scene.account.taken if s.body in {"Mein Attest", "Attest.pdf"}]
    await scene.receive(HERS, MAX, {}, event_type="m.room.redaction", redacts=mine)
    await scene.settle()
    assert scene.account.redacted == []
    await scene.receive(HERS, ERIKA, {}, event_type="m.room.redaction", redacts=mine)
    await scene.settle()
    assert scene.account.redacted == copies


async def test_a_message_deleted_before_the_choice_is_never_relayed_and_stops_its_clock(scene: Scene) -> None:
    scene.fit_room()
    await scene.invited()
    kept = await scene.text(ERIKA, "Doch nicht")
    await scene.receive(HERS, ERIKA, {}, event_type="m.room.redaction", redacts=kept)
    await scene.text(ERIKA, "1")
    await scene.text(ERIKA, "Das hier")
    assert scene.said_in(scene.team_room)[1:] == ["Das hier"]
    assert len(await PromiseReport(scene.engine).rows(scene.now)) == 1


async def test_a_correction_arrives_as_a_new_message_in_the_thread(scene: Scene) -> None:
    await scene.ticket()
    correction = {
        "msgtype": "m.text",
        "body": "* Donnerstag",
        "m.new_content": {"msgtype": "m.text", "body": "Donnerstag"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": "$event2"},
    }
    await scene.receive(HERS, ERIKA, correction)
    await scene.settle()
    assert scene.said_in(scene.team_room)[-1] == "Berichtigung einer früheren Nachricht:\nDonnerstag"


async def test_a_message_in_clear_is_refused_and_the_person_is_told(scene: Scene) -> None:
    await scene.ticket()
    await scene.receive(HERS, ERIKA, {"msgtype": "m.text", "body": "offen"}, encrypted=False)
    await scene.settle()
    assert "nicht verschlüsselt" in scene.said_in(HERS)[-1]
    assert "offen" not in scene.said_in(scene.team_room)


async def test_closing_needs_a_reason_while_an_answer_is_due_and_then_topics_can_be_chosen_again(scene: Scene) -> None:
    root = await scene.ticket()
    await scene.text(BERG, "!schliessen", room=scene.team_room, thread=root)
    assert "Es steht noch eine Antwort aus" in scene.said_in(scene.team_room)[-1]
    await scene.text(BERG, "!schließen Doppelt gestellt", room=scene.team_room, thread=root)
    assert "2026-000001 ist abgeschlossen" in scene.said_in(HERS)[-1]
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert row.in_time.value == "closed"
    before = scene.said_in(HERS)
    await scene.text(BERG, "!antwort Zu spät", room=scene.team_room, thread=root)
    assert scene.said_in(HERS) == before
    assert "Das Ticket ist abgeschlossen" in scene.said_in(scene.team_room)[-1]
    await scene.text(ERIKA, "2")
    await scene.text(ERIKA, "Ist mein Kind versichert?")
    assert "Ist mein Kind versichert?" in scene.said_in("!team-mitgliedschaft-2026q4:hek.localhost")


async def test_an_answer_on_its_way_allows_closing_without_a_reason(scene: Scene) -> None:
    root = await scene.ticket()
    scene.account.refusing.add(HERS)
    await scene.text(BERG, "!antwort Ja.", room=scene.team_room, thread=root)
    await scene.text(BERG, "!schliessen", room=scene.team_room, thread=root)
    scene.account.refusing.clear()
    await scene.settle()
    assert scene.said_in(HERS)[-2] == "Ja.\n\nIhre HEK"
    assert "ist abgeschlossen" in scene.said_in(HERS)[-1]


async def test_the_end_of_a_membership_closes_the_ticket_and_tells_the_agents_alone(scene: Scene) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    scene.homeserver.happens(ERIKA, AccountKind.INSURED, AccountEvent.LOCKED)
    await scene.settle()
    assert scene.said_in(HERS) == before
    assert "Die Mitgliedschaft ist beendet" in scene.said_in(scene.team_room)[-1]
    assert scene.account.taken[-1].thread == root


async def test_an_answer_to_somebody_who_left_is_reported_as_not_delivered_and_answers_nothing(scene: Scene) -> None:
    root = await scene.ticket()
    await scene.receive(HERS, ERIKA, {"membership": "leave"}, event_type="m.room.member", state_key=ERIKA)
    await scene.text(BERG, "!antwort Ja.", room=scene.team_room, thread=root)
    assert "Antwort nicht zugestellt" in scene.said_in(scene.team_room)[-1]
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert row.in_time.value == "open"


async def test_answers_go_to_the_room_that_was_joined_last(scene: Scene) -> None:
    root = await scene.ticket()
    newer = "!newer:hek.localhost"
    scene.fit_room(newer)
    scene.pass_time(minutes=1)
    await scene.invited(newer)
    await scene.text(BERG, "!antwort Ja.", room=scene.team_room, thread=root)
    assert scene.said_in(newer)[-1] == "Ja.\n\nIhre HEK"


async def test_an_agent_without_an_account_is_invited_when_it_is_made(scene: Scene) -> None:
    rooms = scene.account.rooms
    membership_room = "!team-mitgliedschaft-2026q4:hek.localhost"
    assert rooms[membership_room] == {BOT: "join", BERG: "invite"}
    scene.homeserver.accounts[TAL] = Account(AccountKind.AGENT, "Tal", locked=False)
    scene.homeserver.happens(TAL, AccountKind.AGENT, AccountEvent.MADE)
    await scene.settle()
    assert rooms[membership_room][TAL] == "invite"
    assert TAL not in rooms[scene.team_room]


async def test_whom_the_settings_name_no_more_is_removed_at_the_next_start_from_old_rooms_too(scene: Scene) -> None:
    membership_room = "!team-mitgliedschaft-2026q4:hek.localhost"
    scene.pass_time(days=60)
    await scene.settle()
    rooms = scene.account.rooms
    newer = "!team-mitgliedschaft-2027q1:hek.localhost"
    rooms[newer][BERG] = "join"
    teams = [team.model_copy(update={"agents": [TAL]}) for team in scene.settings.teams]
    scene.settings = scene.settings.model_copy(update={"teams": teams})
    scene.start()
    await scene.settle()
    assert [rooms[room][BERG] for room in (membership_room, newer)] == ["leave", "leave"]
    assert rooms[newer][BOT] == "join"


async def test_a_locked_agent_is_removed_from_every_team_room_and_not_invited_again(scene: Scene) -> None:
    scene.account.rooms[scene.team_room][BERG] = "join"
    scene.homeserver.accounts[BERG] = Account(AccountKind.AGENT, "Berg", locked=True)
    scene.homeserver.happens(BERG, AccountKind.AGENT, AccountEvent.LOCKED)
    await scene.settle()
    scene.start()
    await scene.settle()
    rooms = (scene.team_room, "!team-mitgliedschaft-2026q4:hek.localhost")
    assert [scene.account.rooms[room][BERG] for room in rooms] == ["leave", "leave"]


async def test_a_strangers_room_under_the_teams_alias_is_not_used(scene: Scene) -> None:
    next_room = "!stranger:hek.localhost"
    scene.account.aliases["team-leistungen-2027q1"] = next_room
    scene.account.rooms[next_room] = {BOT: "join", MAX: "join"}
    scene.pass_time(days=60)
    scene.fit_room()
    await scene.invited()
    await scene.text(ERIKA, "1")
    await scene.text(ERIKA, "Wann kommt mein Krankengeld?")
    assert scene.said_in(next_room) == []
    assert scene.account.rooms[next_room] == {BOT: "join", MAX: "join"}


async def test_each_quarter_has_its_own_team_room(scene: Scene) -> None:
    scene.pass_time(days=60)
    await scene.ticket()
    assert "Ticket" in scene.said_in("!team-leistungen-2027q1:hek.localhost")[0]


async def test_a_kill_after_every_send_repeats_nothing_and_loses_nothing(scene: Scene) -> None:
    killing = KillingScene(scene.engine, scene.settings, account=scene.account, homeserver=scene.homeserver)
    killing.account.kill_after_send = True
    killing.fit_room()
    await killing.invited()
    await killing.text(ERIKA, "Guten Tag")
    await killing.file(ERIKA, "Attest.pdf", body="Mein Attest")
    await killing.text(ERIKA, "1")
    await killing.text(BERG, "!antwort Ja.", room=killing.team_room, thread=killing.root)
    await killing.text(BERG, "!schliessen", room=killing.team_room, thread=killing.root)
    bodies = [sending.body for sending in killing.account.taken]
    assert len(bodies) == len(set(bodies))
    assert [b for b in killing.said_in(scene.team_room) if not b.startswith(("Ticket", "Antwort"))] == [
        "Guten Tag",
        "Mein Attest",
        "Attest.pdf",
    ]
    assert "Ja.\n\nIhre HEK" in bodies
    assert killing.kills == len(bodies)


class KillingScene(Scene):
    """Every send is followed by the end of the process, and a new start."""

    kills = 0

    @property
    def root(self) -> str:
        return next(sending.event_id for sending in self.account.taken if sending.body.startswith("Ticket "))

    async def settle(self) -> None:
        while True:
            try:
                await super().settle()
            except Killed:
                self.kills += 1
                self.start()
            else:
                return


async def test_an_event_that_is_handed_over_again_changes_nothing(scene: Scene) -> None:
    root = await scene.ticket()
    content = {"msgtype": "m.text", "body": "!antwort Ja."}
    for _ in range(2):
        await scene.receive(scene.team_room, BERG, content, thread=root, event_id="$again")
        await scene.receive(HERS, ERIKA, {"msgtype": "m.text", "body": "Danke"}, event_id="$thanks")
        await scene.settle()
    assert scene.said_in(HERS).count("Ja.\n\nIhre HEK") == 1
    assert scene.said_in(scene.team_room).count("Danke") == 1


async def test_a_clock_in_the_future_cannot_move_the_promise(scene: Scene) -> None:
    await scene.ticket()
    await scene.text(BERG, "x", room=scene.team_room)
    later = scene.now + timedelta(days=3)
    await scene.receive(HERS, ERIKA, {"msgtype": "m.text", "body": "Zukunft"}, sent_at=later)
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert row.received <= scene.now


@pytest.mark.parametrize(
    ("trust", "told"),
    [
        (DeviceTrust.UNKNOWN, "noch nicht bestätigt"),
        (DeviceTrust.KNOWN, "noch nicht bestätigt"),
        (DeviceTrust.IDENTITY_CHANGED, "neue Verschlüsselungs-Identität"),
    ],
)
@pytest.mark.parametrize("command", ["!antwort Am Freitag.", "!a Am Freitag.", "!schliessen erledigt", "!nichts"])
async def test_a_device_that_its_agent_has_not_signed_commands_nothing_and_the_thread_says_so(
    scene: Scene, trust: DeviceTrust, told: str, command: str
) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    content = {"msgtype": "m.text", "body": command}
    await scene.receive(scene.team_room, BERG, content, thread=root, trust=trust)
    await scene.settle()
    assert scene.said_in(HERS) == before
    assert told in scene.said_in(scene.team_room)[-1]
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert row.in_time.value == "open"
    # From a device that is signed the same words count.
    await scene.text(BERG, "!antwort Am Freitag.", room=scene.team_room, thread=root)
    assert scene.said_in(HERS)[-1].startswith("Am Freitag.")


async def test_a_file_from_an_unsigned_device_is_not_relayed(scene: Scene) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    content = {"msgtype": "m.file", "body": "!antwort", "filename": "Bescheid.pdf", "file": {"url": "mxc://x/y"}}
    await scene.receive(scene.team_room, BERG, content, thread=root, trust=DeviceTrust.KNOWN)
    await scene.settle()
    assert scene.said_in(HERS) == before
    assert "noch nicht bestätigt" in scene.said_in(scene.team_room)[-1]


async def test_notes_need_no_signed_device(scene: Scene) -> None:
    root = await scene.ticket()
    content = {"msgtype": "m.text", "body": "Kennt jemand den Fall?"}
    await scene.receive(scene.team_room, BERG, content, thread=root, trust=DeviceTrust.KNOWN)
    await scene.settle()
    assert "Interne Notiz" in scene.said_in(scene.team_room)[-1]


async def test_the_operator_can_do_without_signed_devices(scene: Scene) -> None:
    scene.settings = scene.settings.model_copy(update={"require_signed_devices": False})
    scene.start()
    root = await scene.ticket()
    content = {"msgtype": "m.text", "body": "!antwort Am Freitag."}
    await scene.receive(scene.team_room, BERG, content, thread=root, trust=DeviceTrust.KNOWN)
    await scene.settle()
    assert scene.said_in(HERS)[-1].startswith("Am Freitag.")


@pytest.mark.parametrize("command", ["!antwort Am Freitag.", "!schliessen erledigt"])
async def test_an_agent_whose_account_is_locked_commands_nothing_however_late_the_words_are_read(
    scene: Scene, command: str
) -> None:
    root = await scene.ticket()
    before = scene.said_in(HERS)
    scene.homeserver.accounts[BERG] = Account(AccountKind.AGENT, "Berg", locked=True)
    await scene.text(BERG, command, room=scene.team_room, thread=root)
    assert scene.said_in(HERS) == before
    assert "gehört nicht mehr zum Team" in scene.said_in(scene.team_room)[-1]
    (row,) = await PromiseReport(scene.engine).rows(scene.now)
    assert row.in_time.value == "open"


async def test_an_answer_that_waited_is_not_sent_once_its_agent_was_taken_out_of_the_team(scene: Scene) -> None:
    root = await scene.ticket()
    scene.account.refusing.add(HERS)
    await scene.text(BERG, "!antwort Am Freitag.", room=scene.team_room, thread=root)
    before = scene.said_in(HERS)
    teams = [team.model_copy(update={"agents": [TAL]}) for team in scene.settings.teams]
    scene.settings = scene.settings.model_copy(update={"teams": teams})
    scene.start()
    scene.account.refusing.clear()
    await scene.settle()
    assert scene.said_in(HERS) == before
    assert "gehört nicht mehr zum Team" in scene.said_in(scene.team_room)[-1]
    assert scene.account.rooms[scene.team_room][BERG] == "leave"


async def test_a_command_waits_for_a_homeserver_that_cannot_say_who_the_agent_is(scene: Scene) -> None:
    root = await scene.ticket()
    scene.homeserver.down = True
    command = {"msgtype": "m.text", "body": "!antwort Am Freitag."}
    with pytest.raises(SendFailed) as waits:
        await scene.receive(scene.team_room, BERG, command, thread=root, event_id="$early")
    assert waits.value.outage
    scene.homeserver.down = False
    await scene.receive(scene.team_room, BERG, command, thread=root, event_id="$early")
    await scene.settle()
    assert scene.said_in(HERS)[-1].startswith("Am Freitag.")
