"""What the tests of retention share: an empty database."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import open_database


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """A new database on SQLite."""
    opened = await open_database(f"sqlite:///{tmp_path}/retention.db", "retention")
    yield opened
    await opened.dispose()
