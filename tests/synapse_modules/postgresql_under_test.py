"""The homeserver under test on a real PostgreSQL: how tests read it, and how its server is crashed."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2

from tests.synapse_modules.homeserver_under_test import Homeserver, running_homeserver


def new_database(server: str) -> str:
    """An empty database on a PostgreSQL server, as Synapse wants it."""
    name = f"synapse_{secrets.token_hex(6)}"
    with closing(psycopg2.connect(f"{server}/postgres")) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
    return f"{server}/{name}"


@dataclass
class HomeserverOnPostgresql(Homeserver):
    """The operations of the homeserver under test; its witnesses read PostgreSQL."""

    database: str = ""

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with closing(psycopg2.connect(self.database)) as connection, connection.cursor() as cursor:
            cursor.execute(query.replace("?", "%s"), values)
            found: list[tuple[Any, ...]] = cursor.fetchall()
            return found

    def change_row(self, statement: str, *values: object) -> None:
        with closing(psycopg2.connect(self.database)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement.replace("?", "%s"), values)

    @property
    def postmaster(self) -> int:
        """The process of the database server, which makes one for each connection."""
        [(directory,)] = self.rows("SHOW data_directory")
        return int(Path(directory, "postmaster.pid").read_text().split()[0])


def connection_settings(database: str) -> dict[str, object]:
    """Of Synapse, for a database."""
    return {"database": {"name": "psycopg2", "args": {"dsn": database, "cp_min": 1, "cp_max": 5}}}


@contextmanager
def running_homeserver_on_postgresql(
    folder: Path, postgresql_server: str, *, more_synapse: Mapping[str, object] | None = None
) -> Iterator[HomeserverOnPostgresql]:
    """A homeserver in one process, with a database of its own.

    Args:
        folder: where everything of it lies.
        postgresql_server: the address of a PostgreSQL.
        more_synapse: settings of Synapse, beside or instead of the operator's example.
    """
    database = new_database(postgresql_server)

    def made(*parts: Any) -> HomeserverOnPostgresql:
        homeserver = HomeserverOnPostgresql(*parts)
        homeserver.database = database
        return homeserver

    settings = connection_settings(database) | dict(more_synapse or {})
    with running_homeserver(folder, more_synapse=settings, made=made) as running:
        assert isinstance(running, HomeserverOnPostgresql)
        yield running
