"""One homeserver's database, and copies of it for others: on PostgreSQL where it is installed, otherwise on SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg2

from tests.conftest import postgresql_program, running_postgresql
from tests.synapse_modules.homeserver_under_test import Homeserver, running_homeserver
from tests.synapse_modules.postgresql_under_test import (
    HomeserverOnPostgresql,
    connection_settings,
    running_homeserver_on_postgresql,
)


class Databases(Protocol):
    """Where the homeservers keep what they know; a homeserver is named as the folder that it lies in.

    Attributes:
        product: what a person is told.
        take_many_members: whether Synapse can change the members of a room of 1,000 there.
    """

    product: str
    take_many_members: bool

    def running_ours(self, home: Path, more_synapse: Mapping[str, object]) -> AbstractContextManager[Homeserver]:
        """Our homeserver, whose database is copied."""
        ...

    def settings(self, home: Path) -> dict[str, object]:
        """Of Synapse, for a homeserver that runs on a copy."""
        ...

    def copy(self, ours: Homeserver, homes: list[Path]) -> None:
        """Copies the database of our homeserver, which is stopped, for others."""
        ...

    def processes(self, home: Path) -> list[int]:
        """Those that work for one homeserver's database alone."""
        ...


class SqliteFiles:
    """A file beside each homeserver."""

    product = "SQLite, as PostgreSQL is not installed; so nobody is invited into the larger room, Synapse could not"
    take_many_members = False

    def running_ours(self, home: Path, more_synapse: Mapping[str, object]) -> AbstractContextManager[Homeserver]:
        """Our homeserver, whose database is copied."""
        return running_homeserver(home, more_synapse=more_synapse)

    def settings(self, home: Path) -> dict[str, object]:
        """Of Synapse, for a homeserver that runs on a copy."""
        return {"database": {"name": "sqlite3", "args": {"database": str(home / "homeserver.db")}}}

    def copy(self, ours: Homeserver, homes: list[Path]) -> None:
        """Copies the file, with what still stands in its write-ahead log."""
        with closing(sqlite3.connect(ours.folder / "homeserver.db")) as source:
            for home in homes:
                with closing(sqlite3.connect(home / "homeserver.db")) as copy:
                    source.backup(copy)

    def processes(self, _home: Path) -> list[int]:
        """SQLite works in the homeserver's own process."""
        return []


class PostgresqlServer:
    """A database for each homeserver, on one server."""

    product = "PostgreSQL; processor time is that of the homeserver's process and of its database connections"
    take_many_members = True

    def __init__(self, server: str, watching: Any) -> None:
        self._server = server
        self._watching = watching
        self._names: dict[Path, str] = {}

    @contextmanager
    def running_ours(self, home: Path, more_synapse: Mapping[str, object]) -> Iterator[Homeserver]:
        """Our homeserver, whose database is copied."""
        with running_homeserver_on_postgresql(home, self._server, more_synapse=more_synapse) as ours:
            self._names[home] = ours.database.rpartition("/")[2]
            yield ours

    def settings(self, home: Path) -> dict[str, object]:
        """Of Synapse, for a homeserver that runs on a copy."""
        self._names[home] = f"copy_{home.name}"
        return connection_settings(f"{self._server}/{self._names[home]}")

    def copy(self, ours: Homeserver, homes: list[Path]) -> None:
        """Copies the database, tidied up; from now on the server does that for nobody, at no random moment."""
        assert isinstance(ours, HomeserverOnPostgresql)
        with closing(psycopg2.connect(ours.database)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute("VACUUM ANALYZE")
        with self._watching.cursor() as cursor:
            cursor.execute("ALTER SYSTEM SET autovacuum = off")
            cursor.execute("SELECT pg_reload_conf()")
            for home in homes:
                cursor.execute(f"CREATE DATABASE {self._names[home]} TEMPLATE {self._names[ours.folder]}")

    def processes(self, home: Path) -> list[int]:
        """PostgreSQL has one for each connection."""
        with self._watching.cursor() as cursor:
            cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s", (self._names[home],))
            return [pid for (pid,) in cursor.fetchall()]


@contextmanager
def installed_databases() -> Iterator[Databases]:
    """PostgreSQL where it is installed."""
    if postgresql_program("initdb") is None:
        yield SqliteFiles()
        return
    with running_postgresql() as server, closing(psycopg2.connect(f"{server}/postgres")) as watching:
        watching.autocommit = True
        yield PostgresqlServer(server, watching)
