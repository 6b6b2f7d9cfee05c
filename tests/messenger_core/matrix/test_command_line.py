"""``python -m messenger_core.matrix``: what it shows, and what it says of wrong settings."""

from __future__ import annotations

import asyncio
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from messenger_core.database import make_engine
from messenger_core.matrix.__main__ import main
from messenger_core.matrix.fingerprints import write_fingerprints
from messenger_core.matrix.store.intake import Intake
from messenger_core.matrix.store.journal import Journal
from messenger_core.matrix.store.outbox import Outbox
from messenger_core.matrix.sync_answer import RoomEvent, SyncAnswer
from tests.messenger_core.matrix.conftest import make_session_tables

BOT = "@bot:x"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A service's settings and its database with one parked event."""

    async def fill() -> None:
        engine = make_engine(f"sqlite:///{tmp_path}/service.db")
        await make_session_tables(engine)
        source = {"event_id": "$1", "sender": "@erika:x", "type": "m.room.message", "content": {"body": "Befund"}}
        event = RoomEvent.from_source("!room:x", source)
        assert event is not None
        answer = SyncAnswer("s1", events=(event,), one_time_keys=42)
        now = datetime.now(UTC)
        await Intake(engine, BOT, Outbox(engine, BOT)).take_in(answer, since=None, device_id="D", now=now)
        journal = Journal(engine, BOT)
        [row] = await journal.next("!room:x", 1)
        await journal.park(row, "handler failed")
        await engine.dispose()

    asyncio.run(fill())
    path = tmp_path / "service.yaml"
    store = tmp_path / "store"
    store.mkdir()
    write_fingerprints(store, {"device_key": "ABCD EFGH"})
    session = f"session: {{store_directory: {store}, user_id: '@bot:x'}}"
    path.write_text(f"database: sqlite:///{tmp_path}/service.db\n{session}\nlisten: {{port: 1}}\n")
    return path


def test_inspect_shows_states_and_ages_without_content(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(config)]) == 0
    shown = capsys.readouterr().out
    lines = [line.split() for line in shown.splitlines()]
    assert ["events", "parked", "1"] in lines
    assert ["parked:", "handler", "failed", "1"] in lines
    assert ["one-time", "keys", "left", "42"] in lines
    assert "device_key: ABCD EFGH" in shown
    assert not any(word in shown for word in ("Befund", "erika", "!room", "$1"))


def test_accept_trusts_the_identity_that_a_person_has_now(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    database = sqlite3.connect(config.parent / "service.db")
    database.execute("INSERT INTO matrix_identity VALUES (?, '@erika:x', 'first', 'second', NULL)", [BOT])
    database.commit()
    assert main(["accept", str(config), "@erika:x"]) == 0
    kept = database.execute("SELECT first_master_key, master_key FROM matrix_identity").fetchall()
    assert kept == [("second", "second")]
    assert "erika" not in capsys.readouterr().out
    database.close()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("database: sqlite:////nowhere/at/all.db\nsession: {store_directory: /nowhere}", "does not exist"),
        ("database: mysql://x\nsession: {store_directory: /nowhere}", "database"),
        ("session: {store_directory: /nowhere}", "database"),
    ],
)
def test_wrong_settings_are_told_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], settings: str, said: str
) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_text(settings)
    assert main(["inspect", str(path)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert len(told.splitlines()) == 1
