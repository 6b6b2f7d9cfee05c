"""From the first session's tables to the present ones: nothing that was received is lost."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Connection

from messenger_core.database import make_engine, open_database
from messenger_core.matrix.store.journal import Journal

BOT = "@bot:x"
_FIRST = "0001"


def _to_first(connection: Connection, package: str) -> None:
    config = Config()
    config.set_main_option("script_location", f"{package}:store/migrations")
    config.set_main_option("version_path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, _FIRST)


@pytest.mark.parametrize("package", ["bridge_bot", "retention"])
async def test_what_was_received_before_is_kept(database_url: str, package: str) -> None:
    before = make_engine(database_url)
    async with before.begin() as connection:
        await connection.run_sync(_to_first, package)
        await connection.execute(sa.text("INSERT INTO matrix_position VALUES ('@bot:x', 's7')"))
        for event_id, state, source in (
            ("$settled", "settled", None),
            ("$waiting", "waiting_key", '{"type": "m.room.encrypted"}'),
            ("$parked", "parked", None),
            ("invitation !asked", "invitation", '{"sender": "@erika:x"}'),
        ):
            await connection.execute(
                sa.text("INSERT INTO matrix_journal VALUES (:event_id, '!room', 5, :state, :source)"),
                {"event_id": event_id, "state": state, "source": source},
            )
    await before.dispose()
    engine = await open_database(database_url, package)
    journal = Journal(engine, BOT)
    assert {row.event_id: row.kind for row in await journal.next("!room", 10)} == {
        "$waiting": "event",
        "invitation !asked": "invitation",
    }
    async with engine.connect() as connection:
        position = (await connection.execute(sa.text("SELECT next_batch, batch FROM matrix_position"))).one()
        rows = await connection.execute(sa.text("SELECT event_id, state FROM matrix_journal"))
        states = {row.event_id: row.state for row in rows}
    assert tuple(position) == ("s7", 1)
    assert (states["$settled"], states["$parked"]) == ("settled", "parked")
    await engine.dispose()
