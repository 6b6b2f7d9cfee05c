"""The store on both databases: schema, and what is due, held and erased."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from bridge_bot.settings import BotSettings
from bridge_bot.store.erasure import Amount, Erasure
from bridge_bot.store.outbox import Kind, Outbox, Queued, Sent
from bridge_bot.store.tables import METADATA, SESSION
from messenger_core.database import open_database
from messenger_core.matrix import MediaLedger
from messenger_core.matrix.journal import Journal
from tests.bridge_bot.scene import BERG, BOT, ERIKA, HERS, START, Scene


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
    await Journal(engine, BOT).record("$journalled", HERS, START, "settled")
    sent_before = list(scene.account.taken)
    scene.pass_time(days=400)
    border = scene.now - timedelta(days=1)
    await scene.text(ERIKA, "2")
    await scene.text(ERIKA, "Etwas Neues")
    erasure = Erasure(engine, MediaLedger(engine))

    due = {room.room_id: room for room in await erasure.due(border)}
    assert set(due) == {HERS, scene.team_room}
    in_rooms = {HERS: {"Attest.pdf"}, scene.team_room: {"Notiz.pdf"}}
    assert {key: {mxc.rsplit("/", 1)[1] for mxc in room.media} for key, room in due.items()} == in_rooms
    received = {HERS: 3, scene.team_room: 3}
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
    outbox = Outbox(scene.engine, BOT)
    first = Queued(Kind.ROOM, "one", room_id="!a", text="not_in_thread")
    for queued in (first, first, Queued(Kind.ROOM, "two", room_id="!a", text="not_in_thread")):
        await outbox.add(queued, START)
    keys = []
    while (row := await outbox.first("room !a")) is not None:
        keys.append(row.queued.key)
        await outbox.said(row, Sent(f"$of-{row.queued.key}", "!a"), START)
    assert keys == ["one", "two"]
    assert await outbox.lanes() == []
