"""Reads what the homeserver's and the service's databases hold, from the outside and without changing anything."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class RoomEvent:
    """An encrypted event that the homeserver holds."""

    event_id: str
    room_id: str
    sender: str
    source: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ServiceRecords:
    """What the service's database says.

    Attributes:
        journal: how many events are in each state.
        outbox: how many messages are in each state.
        settled: the ids of the events that are settled.
    """

    journal: Mapping[str, int]
    outbox: Mapping[str, int]
    settled: frozenset[str]

    @property
    def at_rest(self) -> bool:
        """Whether there is nothing left to do, and nothing was given up."""
        return self.journal.keys() <= {"settled"} and self.outbox.keys() <= {"sent"}


def encrypted_events(database: Path) -> list[RoomEvent]:
    """All encrypted events, in the order in which the homeserver took them."""
    with closing(_open(database)) as connection:
        rows = connection.execute(
            "SELECT e.event_id, e.room_id, e.sender, j.json FROM events e JOIN event_json j USING (event_id)"
            " WHERE e.type = 'm.room.encrypted' ORDER BY e.stream_ordering"
        ).fetchall()
    return [RoomEvent(event_id, room_id, sender, json.loads(text)) for event_id, room_id, sender, text in rows]


def forget_transactions(database: Path) -> int:
    """Deletes what a stopped homeserver remembers of transaction ids, as it does itself after 24 hours; how many."""
    with closing(_open(database)) as connection, connection:
        return connection.execute("DELETE FROM event_txn_id_device_id").rowcount


def service_records(database: Path) -> ServiceRecords:
    """What the service's database says now."""
    with closing(_open(database)) as connection:
        journal = connection.execute("SELECT state, count(*) FROM matrix_journal GROUP BY state").fetchall()
        outbox = connection.execute("SELECT state, count(*) FROM matrix_outbox GROUP BY state").fetchall()
        settled = connection.execute("SELECT event_id FROM matrix_journal WHERE state = 'settled'").fetchall()
    return ServiceRecords(dict(journal), dict(outbox), frozenset(event_id for (event_id,) in settled))


def _open(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(database, timeout=60)
