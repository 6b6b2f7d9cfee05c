"""What the homeserver's own database and media store say: the story's most sober witness."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


class HomeserverTables:
    """Reads Synapse's SQLite database and media store; never writes."""

    def __init__(self, database: Path, media_store: Path) -> None:
        """Takes the paths of both."""
        self._database = database
        self._media_store = media_store

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        with closing(sqlite3.connect(f"file:{self._database}?mode=ro", uri=True, timeout=20)) as connection:
            return connection.execute(query, values).fetchall()

    def value(self, query: str, *values: object) -> Any:
        """The first column of the first row, or None."""
        found = self.rows(query, *values)
        return found[0][0] if found else None

    def display_name(self, user_id: str) -> str | None:
        """The display name of an account."""
        name: str | None = self.value("SELECT displayname FROM profiles WHERE full_user_id = ?", user_id)
        return name

    def devices(self, user_id: str) -> set[str]:
        """The ids of an account's devices."""
        query = "SELECT device_id FROM devices WHERE user_id = ? AND NOT hidden"
        return {device for (device,) in self.rows(query, user_id)}

    def count_accounts(self) -> int:
        """How many accounts there are, Synapse's and the module's."""
        return int(self.value("SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM hek_account)"))

    def count_rooms(self) -> int:
        """How many rooms there are."""
        return int(self.value("SELECT count(*) FROM rooms"))

    def is_reachable(self, user_id: str) -> bool:
        """Whether the homeserver counts a practice as reachable for insured people."""
        return self.value("SELECT 1 FROM hek_reachable WHERE user_id = ?", user_id) is not None

    def message_types(self, room_id: str) -> set[str]:
        """The types of all events of a room that are not state."""
        query = "SELECT DISTINCT type FROM events WHERE room_id = ? AND state_key IS NULL"
        return {kind for (kind,) in self.rows(query, room_id)}

    def count_messages(self, room_id: str) -> int:
        """How many events with content of people a room has."""
        query = "SELECT count(*) FROM events WHERE room_id = ? AND state_key IS NULL"
        return int(self.value(query, room_id))

    def holds(self, text: str) -> bool:
        """Whether a text stands anywhere in the database's files, as plain bytes."""
        files = [self._database, *self._database.parent.glob(self._database.name + "-*")]
        return any(text.encode() in file.read_bytes() for file in files)

    def knows_media(self, mxc: str) -> bool:
        """Whether the homeserver lists a file of its own."""
        query = "SELECT 1 FROM local_media_repository WHERE media_id = ?"
        return self.value(query, mxc.rpartition("/")[2]) is not None

    def media_files(self, mxc: str) -> list[Path]:
        """The paths in the media store that belong to a file, thumbnails included."""
        media_id = mxc.rpartition("/")[2]
        name = f"{media_id[:2]}/{media_id[2:4]}/{media_id[4:]}"
        return [*self._media_store.glob(f"local_content/{name}"), *self._media_store.glob(f"local_thumbnails/{name}/*")]
