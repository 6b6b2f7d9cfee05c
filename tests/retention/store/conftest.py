"""The store's tests run on both kinds of database."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import open_database


@pytest.fixture
async def engine(database_url: str) -> AsyncIterator[AsyncEngine]:
    """A new database, once of each kind."""
    opened = await open_database(database_url, "retention")
    yield opened
    await opened.dispose()
