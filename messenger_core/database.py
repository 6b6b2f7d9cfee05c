"""Opens a component's own database, SQLite or PostgreSQL, with its schema at the newest revision."""

from __future__ import annotations

import asyncio
import gc
import shutil
from datetime import datetime
from pathlib import Path

import asyncpg
import sqlalchemy as sa
from alembic import command, context
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry

from messenger_core.settings import SettingsError

_ASYNC_DRIVERS = {"sqlite": "sqlite+aiosqlite", "postgresql": "postgresql+asyncpg"}
# Any number that is ours: two processes that start at once must not migrate at once.
_MIGRATION_LOCK = 0x48454B
_LEAST_FREE_BYTES = 16 * 1024 * 1024
_COLLECT_AFTER_S = (0.1, 1.0, 5.0)
"""A query that is cancelled is first carried out to its end."""


def _prepare_sqlite(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    cursor = connection.cursor()
    # No write-ahead log: it would keep texts for long after they were erased from the database.
    for pragma in ("journal_mode=TRUNCATE", "foreign_keys=ON", "busy_timeout=10000", "secure_delete=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _free_statements(_connection: DBAPIConnection, _entry: ConnectionPoolEntry, _fault: BaseException | None) -> None:
    """Frees what a cancelled query leaves behind, after the cancellation has gone its way.

    Its cursor is held by the traceback of the cancellation, in a circle of references. Until that is collected, SQLite
    keeps the query's lock on the file, though the connection is closed: every write of others fails meanwhile.
    """
    loop = asyncio.get_running_loop()
    for seconds in _COLLECT_AFTER_S:
        loop.call_later(seconds, gc.collect)


def _async_url(url: str) -> sa.URL:
    parsed = sa.make_url(url)
    return parsed.set(drivername=_ASYNC_DRIVERS[parsed.get_backend_name()])


def _private_file(path: Path) -> None:
    path.touch(mode=0o600, exist_ok=True)
    path.chmod(0o600)


def make_engine(url: str) -> AsyncEngine:
    """The engine of a database, without its schema. A SQLite file is readable by its owner alone.

    Args:
        url: ``sqlite:///PATH`` or ``postgresql://…``, as in the settings.
    """
    parsed = _async_url(url)
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        _private_file(Path(parsed.database))
    # Parameters are people's data; an error that quotes them would carry them into a log.
    engine = create_async_engine(parsed, hide_parameters=True)
    if parsed.get_backend_name() == "sqlite":
        event.listen(engine.sync_engine, "connect", _prepare_sqlite)
        event.listen(engine.sync_engine.pool, "invalidate", _free_statements)
    return engine


async def open_database(url: str, package: str) -> AsyncEngine:
    """Opens the database and migrates it to the newest revision of ``package``'s ``store/migrations``.

    Args:
        url: as of ``make_engine``.
        package: the component, e.g. ``bridge_bot``.

    Raises:
        SettingsError: one line for the operator, without the address: a part of it that was meant as a password would
            be shown.
    """
    config = Config()
    config.set_main_option("script_location", f"{package}:store/migrations")
    config.set_main_option("version_path_separator", "os")
    try:
        engine = make_engine(url)
        try:
            async with engine.begin() as connection:
                await connection.run_sync(_migrate, config)
        except BaseException:
            await engine.dispose()
            raise
    except CommandError:
        raise SettingsError(
            f"database: {package} of this version does not know its schema; allowed is a database that this version "
            "or an earlier one made"
        ) from None
    except (OSError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as fault:
        raise SettingsError(
            f"database: it cannot be opened ({_kind(fault)}); allowed is a database that exists and that this "
            "user may change, or a file in a folder that this user can write"
        ) from None
    return engine


def _kind(fault: Exception) -> str:
    """The driver's own name for what happened, where SQLAlchemy has wrapped it: ``InvalidCatalogNameError``."""
    driver = fault.orig if isinstance(fault, DBAPIError) else None
    return type((driver and driver.__cause__) or driver or fault).__name__


def _migrate(connection: Connection, config: Config) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})
    else:
        # Python's sqlite3 opens no transaction for DDL by itself; without one a kill would leave half a schema.
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def run_migrations() -> None:
    """What a component's ``store/migrations/env.py`` calls: runs the revisions on the connection that is open."""
    connection = context.config.attributes["connection"]
    context.configure(connection=connection, render_as_batch=connection.dialect.name == "sqlite")
    with context.begin_transaction():
        context.run_migrations()


async def answers(engine: AsyncEngine) -> bool:
    """Whether the database answers and has room to write; for ``GET /health``.

    SQLite reads on a full disk as if nothing were wrong. PostgreSQL stops by itself when its log has no room left.
    """
    async with engine.connect() as connection:
        answered = bool((await connection.execute(sa.text("SELECT 1"))).scalar_one())
    file = engine.url.database if engine.dialect.name == "sqlite" else None
    return answered and (not file or shutil.disk_usage(Path(file).parent).free >= _LEAST_FREE_BYTES)


def insert_into(engine: AsyncEngine, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT that knows ``on_conflict_do_nothing`` and ``on_conflict_do_update`` on either database."""
    return postgresql.insert(table) if engine.dialect.name == "postgresql" else sqlite.insert(table)


def used_statements_table(metadata: sa.MetaData) -> sa.Table:
    """The table of used client assertions that a component with a token endpoint has."""
    return sa.Table(
        "used_statement",
        metadata,
        sa.Column("issuer", sa.Text, primary_key=True),
        sa.Column("statement_id", sa.Text, primary_key=True),
        sa.Column("expires_at", sa.BigInteger, nullable=False, index=True),
    )


class UsedStatements:
    """The replay store (``service_auth.token_grant.ReplayStore``) in the component's database."""

    _FORGET_AFTER_S = 60

    def __init__(self, engine: AsyncEngine, table: sa.Table) -> None:
        self._engine = engine
        self._table = table

    async def use_once(self, issuer: str, statement_id: str, expires_at: int, now: datetime) -> bool:
        """Marks a statement as used; False if it was used before."""
        expired = self._table.c.expires_at < int(now.timestamp()) - self._FORGET_AFTER_S
        async with self._engine.begin() as connection:
            await connection.execute(self._table.delete().where(expired))
            insert = insert_into(self._engine, self._table)
            row = insert.values(issuer=issuer, statement_id=statement_id, expires_at=expires_at)
            return (await connection.execute(row.on_conflict_do_nothing())).rowcount == 1
