"""Step 7: Erika writes to HEK and an agent answers within the 24 hours."""

from __future__ import annotations

import json

from sandbox.story import specimens
from sandbox.story.expectations import expect
from sandbox.story.stage import Stage

_NOTE = "Nur intern: Akte liegt bei Kollegin Tal."
_ANSWER = "Ihr Krankengeld wird am Freitag überwiesen."
_QUESTION = "Wann kommt mein Krankengeld?"


async def erika_writes_to_hek(stage: Stage) -> str:
    """Step 7: greeting, topic, message and file; a ticket's thread; a note that stays inside; an answer; the report."""
    erika, agent = stage.phone, await stage.agent_client("berg")
    status, answer = await erika.ask_for_chat(stage.ready.support_user)
    expect(status == 200, f"writing to HEK answered {status} {answer.get('errcode')}")
    room = stage.support_room = answer["room_id"]
    await erika.wait_until_in(room, stage.ready.support_user)
    greeting = await erika.wait_for(lambda seen: seen.room_id == room and "116117" in seen.body, "the greeting")
    expect("112" in greeting.body and greeting.encrypted, "the greeting must name 112, and be encrypted")
    topics = await erika.wait_for(lambda seen: seen.room_id == room and "Krankengeld" in seen.body, "the topics")
    number = next(line for line in topics.body.splitlines() if "Krankengeld" in line).strip().split(".")[0].strip("* ")
    await erika.send_text(room, number)
    await erika.send_text(room, _QUESTION)
    attached = specimens.pdf("Krankschreibung")
    await erika.send_file(room, attached, "Krankschreibung.pdf", "application/pdf")

    relayed = await agent.wait_for(lambda seen: _QUESTION in seen.body, "Erika's message in the team's room")
    thread = stage.ticket = relayed.content["m.relates_to"]["event_id"]
    root = await agent.wait_for(lambda seen: seen.event_id == thread, "the ticket")
    team_room = stage.team_room = root.room_id
    expect(team_room in stage.ready.support_rooms.values(), "the ticket must stand in a team's room")
    expect(stage.erika.display_name in root.body, "the ticket must name the verified person")
    expect("23 Std." in root.body or "24 Std." in root.body, "the ticket must say how much of the 24 hours is left")
    file = await agent.wait_for(
        lambda seen: seen.room_id == team_room and seen.content.get("body") == "Krankschreibung.pdf", "Erika's file"
    )
    expect(await agent.fetch_file(file) == attached, "the file must arrive unchanged")

    await agent.send_text(team_room, _NOTE, thread=thread)
    await agent.send_text(team_room, f"!antwort {_ANSWER}", thread=thread)
    answered = await erika.wait_for(lambda seen: seen.room_id == room and _ANSWER in seen.body, "the agent's answer")
    expect(answered.encrypted and answered.sender == stage.ready.support_user, "the answer must come from HEK")
    await stage.tablet.wait_for(lambda seen: _ANSWER in seen.body, "the answer on Erika's second device")
    expect(not any(_NOTE in seen.body for seen in erika.seen + stage.tablet.seen), "a note must never reach her")
    kinds = stage.tables.message_types(room) | stage.tables.message_types(team_room)
    expect(kinds <= {"m.room.encrypted", "m.room.redaction", "m.reaction"}, f"on the wire there must be no {kinds}")

    report = json.loads(await stage.run_component("bridge_bot", "report", "--format", "json"))
    number = root.body.split()[1]
    blocks = [block for block in report["blocks"] if block["ticket"] == number]
    expect([block["in_time"] for block in blocks] == ["yes"], "the report must show the ticket answered in time")
    return "Erika's message and file became a ticket with 24 hours left; the answer came in time, the note did not."
