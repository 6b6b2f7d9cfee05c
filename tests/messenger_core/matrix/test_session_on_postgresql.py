"""The session with its journal in PostgreSQL, where one process holds the account by a lock in the database."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator

import asyncpg
import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import make_engine
from messenger_core.matrix import MatrixSession, SessionSettings
from messenger_core.settings import SettingsError
from sandbox.encrypted_client import EncryptedClient
from tests.messenger_core.matrix.conftest import make_session_tables
from tests.messenger_core.matrix.session_scene import Service, answers_what_came_while_away


@pytest.fixture
async def engine(postgresql_server: str) -> AsyncIterator[AsyncEngine]:
    """The service's own database."""
    name = f"session_{os.urandom(6).hex()}"
    connection = await asyncpg.connect(f"{postgresql_server}/postgres")
    await connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
    await connection.close()
    engine = make_engine(f"{postgresql_server}/{name}")
    await make_session_tables(engine)
    yield engine
    await engine.dispose()


async def test_what_came_while_the_service_was_away_is_handled_once_and_in_order(
    person: EncryptedClient, settings: SessionSettings, engine: AsyncEngine
) -> None:
    await answers_what_came_while_away(person, settings, engine)


async def test_a_second_process_is_told_to_stay_away(settings: SessionSettings, engine: AsyncEngine) -> None:
    elsewhere = settings.model_copy(update={"store_directory": settings.store_directory.with_name("elsewhere")})
    async with MatrixSession(settings, engine):
        with pytest.raises(SettingsError, match="only one may run"):
            async with MatrixSession(elsewhere, engine):
                pass


async def test_a_session_whose_lock_is_lost_stops(settings: SessionSettings, engine: AsyncEngine) -> None:
    async with MatrixSession(settings, engine) as session:
        task = asyncio.create_task(session.run(Service(session)))
        async with engine.connect() as connection:
            ended = await connection.execute(
                sa.text("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
            )
            assert ended.scalars().all() == [True]
        async with asyncio.timeout(100):
            with pytest.raises(SettingsError, match="was lost"):
                await task
