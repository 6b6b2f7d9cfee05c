"""The stores on real databases of both kinds, with the tables of Synapse that they read."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import asyncpg
import pytest

from synapse_modules.store.interaction import Result, Transaction
from synapse_modules.store.migrations import migrate

SYNAPSE_TABLES = (
    "CREATE TABLE users (name TEXT PRIMARY KEY, locked BOOLEAN NOT NULL DEFAULT FALSE,"
    " deactivated SMALLINT NOT NULL DEFAULT 0)",
    "CREATE TABLE user_external_ids (auth_provider TEXT, external_id TEXT, user_id TEXT)",
    "CREATE TABLE local_current_membership (room_id TEXT, user_id TEXT, membership TEXT, event_id TEXT)",
    "CREATE TABLE room_memberships (event_id TEXT, forgotten INTEGER NOT NULL DEFAULT 0, display_name TEXT)",
    "CREATE TABLE delayed_events (delay_id TEXT, user_localpart TEXT, send_ts BIGINT, is_processed BOOLEAN NOT NULL)",
    "CREATE TABLE devices (user_id TEXT, device_id TEXT, display_name TEXT, last_seen BIGINT,"
    " hidden BOOLEAN NOT NULL DEFAULT FALSE)",
    "CREATE TABLE pushers (user_name TEXT)",
    "CREATE TABLE profiles (full_user_id TEXT)",
    "CREATE TABLE user_filters (full_user_id TEXT)",
    *(
        f"CREATE TABLE {name} (user_id TEXT)"
        for name in (
            "access_tokens",
            "account_data",
            "dehydrated_devices",
            "e2e_room_keys",
            "login_tokens",
            "open_id_tokens",
            "refresh_tokens",
            "room_account_data",
            "room_tags",
            "room_tags_revisions",
            "user_daily_visits",
            "user_ips",
            "users_pending_deactivation",
        )
    ),
    "CREATE TABLE current_state_events (event_id TEXT, room_id TEXT, type TEXT, state_key TEXT, membership TEXT)",
    "CREATE TABLE local_media_repository (media_id TEXT, user_id TEXT)",
    "CREATE TABLE events (event_id TEXT, room_id TEXT, type TEXT, sender TEXT, state_key TEXT, received_ts BIGINT,"
    " depth BIGINT, stream_ordering BIGINT)",
    "CREATE TABLE stream_ordering_to_exterm (room_id TEXT, event_id TEXT)",
    "CREATE TABLE event_txn_id_device_id (room_id TEXT, event_id TEXT)",
    "CREATE TABLE event_reports (room_id TEXT, event_id TEXT)",
    "CREATE TABLE receipts_linearized (room_id TEXT, event_id TEXT)",
    "CREATE TABLE threads (room_id TEXT, thread_id TEXT)",
    "CREATE TABLE thread_subscriptions (room_id TEXT, event_id TEXT)",
)


class _Connection(Protocol):
    def begin(self) -> Transaction: ...
    def end(self, *, commit: bool) -> None: ...


class _Sqlite:
    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path)

    def begin(self) -> Transaction:
        return self._connection.cursor()  # type: ignore[return-value]

    def end(self, *, commit: bool) -> None:
        self._connection.commit() if commit else self._connection.rollback()


def _literal(value: object) -> str:
    if value is None:
        return "NULL"
    return str(value) if isinstance(value, int) else "'" + str(value).replace("'", "''") + "'"


class _Postgresql:
    """Puts values into the statement as psycopg2 does, which Synapse uses."""

    def __init__(self, loop: asyncio.AbstractEventLoop, connection: Any) -> None:
        self._loop = loop
        self._connection = connection
        self._rows: list[tuple[Any, ...]] = []
        self.rowcount = 0

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(60)

    def execute(self, sql: str, parameters: Sequence[Any] = ()) -> None:
        assert "%" not in sql, "psycopg2 would take it for a placeholder"
        parts = sql.split("?")
        assert len(parts) == len(parameters) + 1
        filled = "".join(
            itertools.chain.from_iterable(itertools.zip_longest(parts, map(_literal, parameters), fillvalue=""))
        )
        if sql.lstrip().startswith("SELECT"):
            self._rows = [tuple(row) for row in self._wait(self._connection.fetch(filled))]
            return
        status = self._wait(self._connection.execute(filled)).split()
        self.rowcount = int(status[-1]) if status[-1].isdigit() else -1

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._rows.pop(0) if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        rows, self._rows = self._rows, []
        return rows

    def begin(self) -> Transaction:
        self._wait(self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ"))
        return self

    def end(self, *, commit: bool) -> None:
        self._wait(self._connection.execute("COMMIT" if commit else "ROLLBACK"))


class RealDatabase:
    """``store.interaction.Database`` on one connection."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    async def run(self, description: str, work: Callable[[Transaction], Result]) -> Result:
        assert description
        txn = self._connection.begin()
        try:
            result = work(txn)
        except BaseException:
            self._connection.end(commit=False)
            raise
        self._connection.end(commit=True)
        return result

    async def execute(self, *statements: str) -> None:
        def work(txn: Transaction) -> None:
            for statement in statements:
                txn.execute(statement)

        await self.run("test", work)

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        def work(txn: Transaction) -> list[tuple[Any, ...]]:
            txn.execute(query)
            return [tuple(row) for row in txn.fetchall()]

        return await self.run("test", work)


@contextmanager
def _postgresql(url: str) -> Iterator[_Postgresql]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    connection = asyncio.run_coroutine_threadsafe(asyncpg.connect(url), loop).result(60)
    try:
        yield _Postgresql(loop, connection)
    finally:
        asyncio.run_coroutine_threadsafe(connection.close(), loop).result(60)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(60)
        loop.close()


@contextmanager
def opened_database(url: str) -> Iterator[_Connection]:
    if url.startswith("sqlite:///"):
        yield _Sqlite(Path(url.removeprefix("sqlite:///")))
        return
    with _postgresql(url) as connection:
        yield connection


@pytest.fixture
async def bare_database(database_url: str) -> Any:
    """A database with Synapse's tables alone."""
    with opened_database(database_url) as connection:
        database = RealDatabase(connection)
        await database.execute(*SYNAPSE_TABLES)
        yield database


@pytest.fixture
async def database(bare_database: RealDatabase) -> RealDatabase:
    """A migrated database."""
    await bare_database.run("migrate", migrate)
    return bare_database
