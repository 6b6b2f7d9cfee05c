"""The store on both databases: schema, and what is due, held and erased."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from bridge_bot.rules.messages import AgentText
from bridge_bot.settings import BotSettings
from bridge_bot.store.erasure import Amount, Erasure
from bridge_bot.store.outbox import Outbox, Sent
from bridge_bot.store.tables import METADATA, SESSION
from bridge_bot.store.ticket_rows import Message
from bridge_bot.store.tickets import Tickets
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import open_database
from messenger_core.matrix import MediaLedger
from tests.bridge_bot.scene import BERG, BOT, ERIKA, HERS, START, Scene


async def journalled(
    engine: AsyncEngine, event_id: str, room_id: str, received_at: datetime, state: str = "settled"
) -> None:
    """An event that the session alone has seen."""
    at = to_milliseconds(received_at)
    row = SESSION.journal.insert().values(
        user_id=BOT,
        event_id=event_id,
        room_id=room_id,
        batch=1,
        place=0,
        received_at=at,
        since=at,
        kind="event",
        state=state,
        attempts=0,
    )
    async with engine.begin() as connection:
        await connection.execute(row)


async def test_the_migrations_make_the_tables_that_are_described(database_url: str) -> None:
    def differences(connection: Connection) -> list[Any]:
        return list(compare_metadata(MigrationContext.configure(connection), METADATA))

    engine = await open_database(database_url, "bridge_bot")
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
    await engine.dispose()
    assert found == []


async def test_a_conversation_is_erased_with_all_its_traces_and_the_younger_stays(
    database_url: str, settings_values: dict[str, Any]
) -> None:
    engine = await open_database(database_url, "bridge_bot")
    scene = Scene(engine, BotSettings.model_validate(settings_values))
    await scene.settle()
    root = await scene.ticket()
    await scene.file(ERIKA, "Attest.pdf", body="Mein Attest")
    await scene.file(BERG, "Notiz.pdf", room=scene.team_room, thread=root)
    await scene.text(BERG, "!antwort Ja.", room=scene.team_room, thread=root)
    await scene.text(BERG, "!schliessen", room=scene.team_room, thread=root)
    await journalled(engine, "$reaction", HERS, START)
    sent_before = list(scene.account.taken)
    scene.pass_time(days=400)
    border = scene.now - timedelta(days=1)
    await scene.text(ERIKA, "2")
    await scene.text(ERIKA, "Etwas Neues")
    erasure = Erasure(engine, MediaLedger(engine))

    due = {room.room_id: room for room in await erasure.due(border)}
    assert set(due) == {HERS, scene.team_room}
    in_rooms = {HERS: {"Attest"}, scene.team_room: {"Notiz"}}
    assert {key: {mxc.rsplit("/", 1)[1] for mxc in room.media} for key, room in due.items()} == in_rooms
    received = {HERS: 3 + 1, scene.team_room: 3}
    for room_id, room in due.items():
        assert room.messages == received[room_id] + sum(sending.room_id == room_id for sending in sent_before)
    held = await erasure.held(border)
    assert held == Amount(sum(room.messages for room in due.values()), 2, 1)

    assert await erasure.erase(border) == held
    assert await erasure.held(border) == Amount(0, 0, 0)
    assert await erasure.due(border) == []
    assert await erasure.erase(border) == Amount(0, 0, 0)
    async with engine.connect() as connection:
        assert (await connection.execute(sa.select(SESSION.journal))).all() == []
    assert (await erasure.held(scene.now + timedelta(days=1))).tickets == 1
    await scene.text(ERIKA, "Noch etwas")
    assert scene.said_in("!team-mitgliedschaft-2027q4:hek.localhost")[-1] == "Noch etwas"
    await engine.dispose()


async def test_what_the_journal_alone_knows_is_due_held_and_erased_each_event_once(
    database_url: str, settings_values: dict[str, Any]
) -> None:
    engine = await open_database(database_url, "bridge_bot")
    scene = Scene(engine, BotSettings.model_validate(settings_values))
    await scene.settle()
    scene.fit_room()
    await scene.invited()
    both = await scene.text(ERIKA, "Guten Tag")
    erasure = Erasure(engine, MediaLedger(engine))
    border = START + timedelta(days=1)
    before = await erasure.held(border)
    await journalled(engine, both, HERS, START)
    await journalled(engine, "$no-key", HERS, START, "waiting_key")
    await journalled(engine, "$reaction", scene.team_room, START)
    await journalled(engine, "$elsewhere", "!elsewhere:hek.localhost", START)
    assert await erasure.held(border) == replace(before, messages=before.messages + 2)
    due = {room.room_id: room.messages for room in await erasure.due(border)}
    assert due == {HERS: before.messages + 1, scene.team_room: 1}
    assert await erasure.erase(border) == replace(before, messages=before.messages + 2)
    assert await erasure.due(border) == []
    await engine.dispose()


async def test_a_room_is_named_even_if_the_homeservers_clock_put_its_event_on_the_other_side(scene: Scene) -> None:
    scene.fit_room()
    await scene.invited()
    erasure = Erasure(scene.engine, MediaLedger(scene.engine))
    border, next_border = START + timedelta(days=90), START + timedelta(days=180)
    await erasure.erase(START + timedelta(days=1))
    # Dated after the moment here, received before it there: to be erased now.
    await journalled(scene.engine, "$after", HERS, border + timedelta(seconds=30))
    assert [(room.room_id, room.messages) for room in await erasure.due(border)] == [(HERS, 0)]
    # Dated before the moment here, received after it there: it survives, and is erased the next time.
    await journalled(scene.engine, "$before", scene.team_room, border - timedelta(seconds=30))
    assert await erasure.held(border) == Amount(0, 0, 0)
    await erasure.erase(border)
    assert {room.room_id for room in await erasure.due(next_border)} == {HERS, scene.team_room}


async def test_why_an_agent_closed_a_ticket_stays_in_the_thread_alone(scene: Scene) -> None:
    root = await scene.ticket()
    await scene.text(BERG, "!schliessen Widerspruch-zum-Attest", room=scene.team_room, thread=root)
    async with scene.engine.connect() as connection:
        for table in METADATA.sorted_tables:
            assert "Widerspruch-zum-Attest" not in str((await connection.execute(sa.select(table))).all())


async def test_texts_are_held_only_until_they_are_relayed(scene: Scene) -> None:
    pending = sa.text("SELECT count(*) FROM ticket_message WHERE pending_content IS NOT NULL")

    async def count() -> int:
        async with scene.engine.connect() as connection:
            return int((await connection.execute(pending)).scalar_one())

    scene.fit_room()
    await scene.invited()
    await scene.text(ERIKA, "Guten Tag")
    assert await count() == 1
    await scene.text(ERIKA, "1")
    assert await count() == 0


async def test_a_row_of_the_outbox_is_added_once_and_leaves_in_order(scene: Scene) -> None:
    outbox, tickets = Outbox(scene.engine, BOT), Tickets(scene.engine)
    for event_id in ("$one", "$one", "$two"):
        note = Message(event_id, "!a", BERG, START, {})
        await tickets.take_note(note, None, START, notice=AgentText.NOT_IN_THREAD)
    keys = []
    while (row := await outbox.first("room !a")) is not None:
        keys.append(row.queued.key)
        await outbox.said(row, Sent(f"$of-{row.queued.key}", "!a"), START)
    assert keys == ["notice $one", "notice $two"]
    assert await outbox.lanes() == []
