"""Holds an account for one process alone: two sessions on one store lose one-time keys and handle events twice."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.settings import SettingsError

_LOOK_AFTER_S = 5.0
_ANSWERS_WITHIN_S = 10.0


@asynccontextmanager
async def account_lock(engine: AsyncEngine, user_id: str) -> AsyncIterator[AsyncConnection | None]:
    """Holds the account in the service's database until the end; a process that is killed lets go by itself.

    In PostgreSQL it is an advisory lock of a connection of its own, which is given back to be watched: when that
    connection is lost, so is the lock. SQLite has none: the lock is a file beside the database.

    Raises:
        SettingsError: if another process holds it.
    """
    name = hashlib.sha256(user_id.encode()).digest()[:8]
    if engine.dialect.name != "postgresql":
        with locked_file(Path(f"{engine.url.database}.{name.hex()}.lock")):
            yield None
        return
    async with engine.connect() as connection:
        key = int.from_bytes(name, signed=True)
        held = await connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), {"key": key})
        if not held.scalar_one():
            raise SettingsError(_in_use(user_id))
        await connection.commit()
        try:
            yield connection
        finally:
            # Given back to the pool, it would hold the account on.
            await connection.invalidate()


@contextmanager
def locked_file(path: Path) -> Iterator[None]:
    """Holds a file for this process alone.

    Raises:
        SettingsError: if another process holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SettingsError(_in_use(str(path))) from None
        yield
    finally:
        os.close(descriptor)


def _in_use(what: str) -> str:
    return f"{what}: another process runs this account; stop it first, only one may run"


async def watch(lock: AsyncConnection) -> None:
    """Ends when the database lets go of the account.

    Raises:
        SettingsError: then; another process may run the account from now on.
    """
    while True:
        await asyncio.sleep(_LOOK_AFTER_S)
        try:
            async with asyncio.timeout(_ANSWERS_WITHIN_S):
                await lock.execute(sa.text("SELECT 1"))
                await lock.commit()
        except (TimeoutError, OSError, sa.exc.SQLAlchemyError):
            raise SettingsError("the connection that holds the account in the database was lost; start again") from None
