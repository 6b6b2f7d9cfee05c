"""The store's tests run on both kinds of database."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import open_database
from retention.store.tables import metadata


@pytest.fixture
async def engine(
    request: pytest.FixtureRequest, tmp_path: Path, empty_database: Path, kind: str
) -> AsyncIterator[AsyncEngine]:
    """An empty database: on SQLite a new file, on PostgreSQL the same one, emptied."""
    if kind == "sqlite":
        shutil.copy(empty_database, tmp_path / "retention.db")
        opened = await open_database(f"sqlite:///{tmp_path}/retention.db", "retention")
    else:
        server = request.getfixturevalue("postgresql_server")
        connection = await asyncpg.connect(f"{server}/postgres")
        if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = 'retention_store'"):
            await connection.execute("CREATE DATABASE retention_store TEMPLATE template0")
        await connection.close()
        opened = await open_database(f"{server}/retention_store", "retention")
        async with opened.begin() as emptied:
            for table in reversed(metadata.sorted_tables):
                await emptied.execute(table.delete())
    yield opened
    await opened.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """The kind of database."""
    return str(request.param)
