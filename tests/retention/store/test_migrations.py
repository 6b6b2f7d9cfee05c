"""The revisions make exactly the tables that the store describes."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.engine import Connection

from messenger_core.database import open_database
from retention.store.tables import metadata


async def test_migrations_and_tables_agree(database_url: str) -> None:
    engine = await open_database(database_url, "retention")

    def differences(connection: Connection) -> list[object]:
        return list(compare_metadata(MigrationContext.configure(connection), metadata))

    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    await engine.dispose()


async def test_a_database_can_be_opened_again(database_url: str) -> None:
    for _ in range(2):
        await (await open_database(database_url, "retention")).dispose()
