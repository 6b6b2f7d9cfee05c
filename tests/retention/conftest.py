"""What the tests of retention share: an empty database."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import open_database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database on SQLite that was migrated once, to be copied."""
    path = tmp_path_factory.mktemp("retention") / "empty.db"

    async def migrate() -> None:
        await (await open_database(f"sqlite:///{path}", "retention")).dispose()

    asyncio.run(migrate())
    return path


@pytest.fixture
async def engine(tmp_path: Path, empty_database: Path) -> AsyncIterator[AsyncEngine]:
    """A new database on SQLite."""
    shutil.copy(empty_database, tmp_path / "retention.db")
    opened = await open_database(f"sqlite:///{tmp_path}/retention.db", "retention")
    yield opened
    await opened.dispose()
