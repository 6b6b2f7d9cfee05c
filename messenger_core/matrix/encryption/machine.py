"""nio's Olm machine over its own SQLite file, loaded piece by piece and written in transactions.

nio loads every session and device into memory; here they are read when they are needed, so that ten thousand rooms
cost no start-up time, and memory can be dropped and read anew whenever the disk did not take a change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nio.crypto
import peewee
from nio.crypto import Olm, OlmAccount, Session
from nio.store import SqliteStore

from messenger_core.matrix.faults import StoreUnwritable
from messenger_core.settings import SettingsError

# A store key is a secret, not a word: 16 characters are what a random one of 64 bits has in hexadecimal.
_SHORTEST_STORE_KEY = 16
_REMEMBERED_SESSIONS = 5000
# A device that keeps opening new sessions costs itself its old ones, and us nothing.
_SESSIONS_OF_ONE_DEVICE = 20

_OWN_TABLES = (
    "CREATE INDEX IF NOT EXISTS olmsessions_by_sender ON olmsessions(sender_key)",
    "CREATE TABLE IF NOT EXISTS room_key(room_id TEXT NOT NULL, session_id TEXT NOT NULL, sender_key TEXT NOT NULL,"
    " ed25519 TEXT NOT NULL, owner TEXT NOT NULL, forwarded INTEGER NOT NULL, pickle TEXT NOT NULL,"
    " PRIMARY KEY(session_id, sender_key, room_id))",
    "CREATE INDEX IF NOT EXISTS room_key_by_room ON room_key(room_id)",
    "CREATE TABLE IF NOT EXISTS known_device(owner TEXT NOT NULL, device_id TEXT NOT NULL, ed25519 TEXT NOT NULL,"
    " curve25519 TEXT NOT NULL, PRIMARY KEY(owner, device_id))",
    "CREATE INDEX IF NOT EXISTS known_device_by_key ON known_device(curve25519)",
    "CREATE TABLE IF NOT EXISTS tracked_person(owner TEXT PRIMARY KEY)",
    "CREATE TABLE IF NOT EXISTS wedged_device(owner TEXT NOT NULL, curve25519 TEXT NOT NULL, since INTEGER NOT NULL,"
    " PRIMARY KEY(owner, curve25519))",
    "CREATE TABLE IF NOT EXISTS taken_in(row_id INTEGER NOT NULL, digest TEXT NOT NULL, PRIMARY KEY(row_id, digest))",
    "CREATE TABLE IF NOT EXISTS outbound_key(session_id TEXT PRIMARY KEY, room_id TEXT NOT NULL, pickle TEXT NOT NULL,"
    " made_at INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS shared_with(session_id TEXT NOT NULL, owner TEXT NOT NULL, device_id TEXT NOT NULL,"
    " message_index INTEGER NOT NULL, PRIMARY KEY(session_id, owner, device_id))",
)


class OlmMachine(Olm):  # type: ignore[misc] # nio has no types
    """The account's Olm keys and sessions. One process alone may have it open."""

    account: OlmAccount
    user_id: str
    device_id: str

    @classmethod
    def open(cls, user_id: str, device_id: str, directory: Path, store_key: str) -> OlmMachine:
        """Opens the device's store, or makes a new one with a new account; its files are the owner's alone.

        Raises:
            SettingsError: if the store key is no secret or does not fit the store.
            StoreUnwritable: if the disk does not take it.
        """
        if not nio.crypto.ENCRYPTION_ENABLED:
            raise SettingsError("encryption is not installed; install matrix-nio with its extra 'e2e'")
        if len(store_key) < _SHORTEST_STORE_KEY:
            raise SettingsError(f"the store key needs at least {_SHORTEST_STORE_KEY} characters; make a random one")
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            directory.chmod(0o700)
            file = directory / f"{quote(device_id, safe='')}.db"
            file.touch(mode=0o600)
            file.chmod(0o600)
            store = SqliteStore(user_id, device_id, str(directory), pickle_key=store_key, database_name=file.name)
            store.database.execute_sql("PRAGMA journal_mode=TRUNCATE")
            for statement in _OWN_TABLES:
                store.database.execute_sql(statement)
            return cls(user_id, device_id, store)
        except (peewee.PeeweeException, sqlite3.Error, OSError) as fault:
            raise StoreUnwritable(f"the encryption keys cannot be opened: {type(fault).__name__}") from None
        except ValueError:
            # vodozemac's own exceptions are ValueErrors.
            raise SettingsError(f"{directory}: the store key does not fit these encryption keys") from None

    def load(self) -> None:
        """Loads nothing: what nio keeps in memory is read when it is needed."""
        self._sessions: dict[str, list[Session]] = {}
        self.also_forget: list[Callable[[], None]] = []
        """What else holds in memory what the file says, and is told when the file says something else."""

    @property
    def pickle_key(self) -> str:
        """The secret that everything in the store is encrypted with."""
        return str(self.store.pickle_key)

    @property
    def curve25519(self) -> str:
        """The device's own identity key."""
        return str(self.account.identity_keys["curve25519"])

    @property
    def ed25519(self) -> str:
        """The device's own signing key."""
        return str(self.account.identity_keys["ed25519"])

    # -- the file -----------------------------------------------------------------------------------------------------

    def sql(self, statement: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Runs one statement of a store on the file."""
        return list(self.store.database.execute_sql(statement, tuple(parameters)).fetchall())

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing of what is written within, in the file and in memory; inside another one, a savepoint.

        Raises:
            StoreUnwritable: if the disk did not take it; memory is as the disk is then.
        """
        database = self.store.database
        outermost = not database.in_transaction()
        try:
            with database.atomic():
                yield
        except (peewee.PeeweeException, sqlite3.Error) as fault:
            if not outermost:
                raise
            self._start_anew()
            raise StoreUnwritable(f"the encryption keys could not be written: {type(fault).__name__}") from None
        except BaseException:
            self.forget_memory()
            raise

    def _start_anew(self) -> None:
        """A new connection after a fault: SQLite may have ended the transaction by itself."""
        try:
            self.store.database.close()
            self.store.database.connect()
            self.forget_memory()
        except (peewee.PeeweeException, sqlite3.Error) as fault:
            raise StoreUnwritable(f"the encryption keys cannot be read: {type(fault).__name__}") from None

    def forget_memory(self) -> None:
        """Reads the account anew and drops every session and key that is in memory."""
        self._sessions.clear()
        for forget in self.also_forget:
            forget()
        self.account = self.store.load_account()

    def close(self) -> None:
        """Closes the file."""
        self.store.database.close()

    # -- Olm sessions -------------------------------------------------------------------------------------------------

    def olm_sessions(self, sender_key: str) -> list[Session]:
        """The sessions with a device, by its identity key; the one that was used last comes first."""
        known = self._sessions.get(sender_key)
        if known is None:
            rows = self.sql(
                "SELECT session, creation_time, last_usage_date FROM olmsessions WHERE sender_key = ?"
                " AND account_id = (SELECT id FROM accounts WHERE user_id = ? AND device_id = ?)",
                (sender_key, self.user_id, self.device_id),
            )
            known = [
                Session.from_pickle(
                    pickle if isinstance(pickle, bytes) else str(pickle).encode(),
                    datetime.fromisoformat(made),
                    self.pickle_key,
                    datetime.fromisoformat(used),
                )
                for pickle, made, used in rows
            ]
            if len(self._sessions) >= _REMEMBERED_SESSIONS:
                self._sessions.pop(next(iter(self._sessions)))
            self._sessions[sender_key] = known
        known.sort(key=lambda session: session.use_time, reverse=True)
        return known

    def add_olm_session(self, sender_key: str, session: Session) -> None:
        """Keeps a new session; of one device's many, those that were not used for the longest time go."""
        known = self.olm_sessions(sender_key)
        known.insert(0, session)
        self.save_session(sender_key, session)
        for unused in known[_SESSIONS_OF_ONE_DEVICE:]:
            self.sql("DELETE FROM olmsessions WHERE session_id = ?", (unused.id,))
        del known[_SESSIONS_OF_ONE_DEVICE:]
