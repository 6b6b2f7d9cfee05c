"""A component's database: migrated as a whole or not at all, its owner's alone, and silent about its parameters."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from messenger_core.database import UsedStatements, answers, make_engine, open_database, used_statements_table
from messenger_core.settings import SettingsError

_REVISION = """
import os
import sqlalchemy as sa
from alembic import op

revision, down_revision = "0001", None


def upgrade():
    op.create_table("first", sa.Column("name", sa.Text, primary_key=True))
    if os.path.exists(os.environ["FAIL_IF"]):
        raise RuntimeError("killed here")
    op.create_table("second", sa.Column("name", sa.Text, primary_key=True))
"""


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A component with one migration; while the returned file exists, it ends in the middle."""
    folder = tmp_path / "imported" / "example_component"
    versions = folder / "store" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    env = "from messenger_core.database import run_migrations\nrun_migrations()\n"
    (folder / "store" / "migrations" / "env.py").write_text(env)
    (versions / "0001_two_tables.py").write_text(_REVISION)
    monkeypatch.syspath_prepend(str(folder.parent))
    fail_if = tmp_path / "fail"
    monkeypatch.setenv("FAIL_IF", str(fail_if))
    yield fail_if
    sys.modules.pop("example_component", None)


async def tables(url: str) -> set[str]:
    engine = await open_database(url, "example_component")
    async with engine.connect() as connection:
        names = await connection.run_sync(lambda sync: sa.inspect(sync).get_table_names())
    await engine.dispose()
    return set(names)


async def test_a_migration_that_ends_in_the_middle_leaves_nothing_and_is_done_by_the_next_start(
    package: Path, database_url: str
) -> None:
    package.touch()
    with pytest.raises(RuntimeError, match="killed"):
        await open_database(database_url, "example_component")
    package.unlink()
    assert {"first", "second"} <= await tables(database_url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://hek@127.0.0.1:9/geheim",
        "sqlite:////nowhere/geheim.db",
        "postgresql://hek@127.0.0.1:9/geheim?ssl=geheim",
    ],
)
async def test_a_database_that_cannot_be_opened_is_one_line_without_its_address(package: Path, url: str) -> None:
    assert not package.exists()
    with pytest.raises(SettingsError, match=r"^database: it cannot be opened \(\w+\); allowed is .+$") as fault:
        await open_database(url, "example_component")
    assert "geheim" not in str(fault.value)


async def test_a_database_that_does_not_exist_on_its_server_is_said_so(package: Path, postgresql_server: str) -> None:
    assert not package.exists()
    with pytest.raises(SettingsError, match=r"^database: it cannot be opened \(Invalid"):
        await open_database(f"{postgresql_server}/nothing_of_this_name", "example_component")


async def test_a_database_of_a_newer_version_is_said_so(package: Path, database_url: str) -> None:
    assert not package.exists()
    engine = await open_database(database_url, "example_component")
    async with engine.begin() as connection:
        await connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    await engine.dispose()
    with pytest.raises(SettingsError, match="does not know its schema"):
        await open_database(database_url, "example_component")


async def test_two_processes_that_start_at_once_migrate_once(package: Path, database_url: str) -> None:
    assert not package.exists()
    found = await asyncio.gather(tables(database_url), tables(database_url))
    assert all({"first", "second"} <= names for names in found)


async def test_a_sqlite_file_is_its_owners_alone_and_keeps_no_write_ahead_log(package: Path, tmp_path: Path) -> None:
    assert not package.exists()
    engine = await open_database(f"sqlite:///{tmp_path}/component.db", "example_component")
    async with engine.begin() as connection:
        await connection.execute(sa.text("INSERT INTO first VALUES ('a secret text')"))
        assert await answers(engine)
    async with engine.begin() as connection:
        await connection.execute(sa.text("DELETE FROM first"))
    assert (tmp_path / "component.db").stat().st_mode & 0o777 == 0o600
    files = list(tmp_path.glob("component.db*"))
    assert files
    assert not any(b"a secret text" in file.read_bytes() for file in files)
    await engine.dispose()


async def test_a_full_disk_is_told_before_a_write_fails(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not package.exists()
    engine = await open_database(f"sqlite:///{tmp_path}/component.db", "example_component")
    assert await answers(engine)
    asked: list[Path] = []

    def nearly_full(folder: Path) -> SimpleNamespace:
        asked.append(folder)
        return SimpleNamespace(free=1024)

    monkeypatch.setattr("messenger_core.database.shutil.disk_usage", nearly_full)
    assert not await answers(engine)
    assert asked == [tmp_path]
    await engine.dispose()


async def test_an_error_does_not_quote_what_was_to_be_stored(package: Path, database_url: str) -> None:
    assert not package.exists()
    engine = await open_database(database_url, "example_component")
    insert = sa.text("INSERT INTO first VALUES (:name)")
    async with engine.connect() as connection:
        await connection.execute(insert, {"name": "Erika"})
        with pytest.raises(IntegrityError) as fault:
            await connection.execute(insert, {"name": "Erika"})
    await engine.dispose()
    assert "parameters: (" not in str(fault.value)


async def test_a_statement_is_used_once_until_it_has_expired(package: Path, database_url: str) -> None:
    assert not package.exists()
    engine = await open_database(database_url, "example_component")
    metadata = sa.MetaData()
    used = used_statements_table(metadata)
    async with engine.begin() as connection:
        await connection.run_sync(metadata.create_all)
    store = UsedStatements(engine, used)
    now = datetime(2026, 11, 1, tzinfo=UTC)
    expires = int(now.timestamp()) + 60
    first, second = await asyncio.gather(
        store.use_once("client", "one", expires, now), store.use_once("client", "one", expires, now)
    )
    assert [first, second].count(True) == 1
    assert await store.use_once("client", "two", expires, now)
    assert await store.use_once("another", "one", expires, now)
    assert await store.use_once("client", "one", expires, now.replace(hour=1))
    await engine.dispose()


# Sorted, so that SQLite works for a while before the first of many rows is there.
_LONG_QUERY = """
    WITH RECURSIVE counted (place) AS (SELECT 1 UNION ALL SELECT place + 1 FROM counted WHERE place < 400000)
    SELECT place, number FROM counted, numbers ORDER BY -place
"""


class _Circle:
    itself: _Circle


async def test_a_cancelled_query_keeps_nobody_from_writing(tmp_path: Path) -> None:
    path = tmp_path / "component.db"
    engine = make_engine(f"sqlite:///{path}")
    async with engine.begin() as connection:
        await connection.execute(sa.text("CREATE TABLE numbers (number INTEGER)"))
        await connection.execute(sa.text("INSERT INTO numbers VALUES (1), (2), (3)"))

    async def read() -> None:
        async with engine.connect() as connection:
            await connection.execute(sa.text(_LONG_QUERY))

    def can_write() -> bool:
        other = sqlite3.connect(path, timeout=0)
        try:
            other.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError:
            return False
        finally:
            other.close()
        return True

    # As if nothing else made garbage for a long while. What a cancellation leaves behind is a circle, too.
    gc.disable()
    circle = _Circle()
    circle.itself = circle
    left_behind = weakref.ref(circle)
    del circle
    try:
        reading = asyncio.create_task(read())
        await asyncio.sleep(0.05)
        assert not reading.done()
        reading.cancel()
        await asyncio.wait([reading])
        del reading  # a cancelled task holds the traceback itself
        for _ in range(200):
            await asyncio.sleep(0.05)
            if left_behind() is None and can_write():
                break
        assert left_behind() is None
        assert can_write()
    finally:
        gc.enable()
        await engine.dispose()
