"""The migrations make exactly the tables that the code describes."""

import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from directory_service.store.tables import directory_version, metadata
from messenger_core.database import open_database


async def test_migrations_and_tables_agree(database_url: str) -> None:
    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    for _ in range(2):
        engine = await open_database(database_url, "directory_service")
        async with engine.connect() as connection:
            assert await connection.run_sync(differences) == []
            assert (await connection.execute(sa.select(directory_version.c.reachable))).scalars().all() == [1]
        await engine.dispose()
