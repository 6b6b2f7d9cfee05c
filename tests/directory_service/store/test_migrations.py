"""The migrations make exactly the tables that the code describes."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.store.tables import metadata
from messenger_core.database import open_database


async def test_migrations_and_tables_agree(engine: AsyncEngine) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_opening_a_database_twice_changes_nothing(engine: AsyncEngine, database_url: str) -> None:
    again = await open_database(database_url, "directory_service")
    await again.dispose()
