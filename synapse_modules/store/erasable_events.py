"""What Synapse's tables hold of messages and files that are to be erased, and what its own purge leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from synapse_modules.store.interaction import Database, Transaction, placeholders

_BATCH = 500
# Rows of events that Synapse's purge does not know of, by the name of the column that holds the event's id.
_LEFTOVERS = (
    ("stream_ordering_to_exterm", "event_id"),
    ("event_txn_id_device_id", "event_id"),
    ("event_reports", "event_id"),
    ("receipts_linearized", "event_id"),
    ("threads", "thread_id"),
    ("thread_subscriptions", "event_id"),
)


@dataclass(frozen=True, slots=True)
class EventPlace:
    """Where an event stands in a room: purging up to it keeps it."""

    event_id: str
    depth: int
    stream: int


class ErasableEvents:
    """The events of a room that are not state."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def received_before(self, room_id: str, moment: int) -> list[str]:
        """The ids of all messages that were received before a moment (milliseconds)."""

        def work(txn: Transaction) -> list[str]:
            txn.execute(
                "SELECT event_id FROM events WHERE room_id = ? AND state_key IS NULL AND received_ts < ?",
                (room_id, moment),
            )
            return [row[0] for row in txn.fetchall()]

        return await self._database.run("hek_events_before", work)

    async def first_to_keep(self, room_id: str, moment: int) -> EventPlace | None:
        """The message with the smallest depth among those received at or after a moment; None if there is none."""

        def work(txn: Transaction) -> EventPlace | None:
            txn.execute(
                "SELECT event_id, depth, stream_ordering FROM events"
                " WHERE room_id = ? AND state_key IS NULL AND received_ts >= ?"
                " ORDER BY depth, stream_ordering LIMIT 1",
                (room_id, moment),
            )
            row = txn.fetchone()
            return EventPlace(*row) if row else None

        return await self._database.run("hek_first_to_keep", work)

    async def place_of(self, event_id: str) -> EventPlace:
        """Where a stored event stands."""

        def work(txn: Transaction) -> EventPlace:
            txn.execute("SELECT event_id, depth, stream_ordering FROM events WHERE event_id = ?", (event_id,))
            row = txn.fetchone()
            assert row is not None
            return EventPlace(*row)

        return await self._database.run("hek_place_of", work)

    async def clear_leftovers(self, event_ids: Sequence[str]) -> None:
        """Deletes what still names events that are gone; those that are not gone keep everything."""
        for start in range(0, len(event_ids), _BATCH):
            await self._clear_batch(tuple(event_ids[start : start + _BATCH]))

    async def _clear_batch(self, event_ids: tuple[str, ...]) -> None:
        def work(txn: Transaction) -> None:
            known = f"SELECT event_id FROM events WHERE event_id IN ({placeholders(event_ids)})"  # noqa: S608
            txn.execute(known, event_ids)
            kept = {row[0] for row in txn.fetchall()}
            gone = tuple(event_id for event_id in event_ids if event_id not in kept)
            for table, column in _LEFTOVERS:
                txn.execute(f"DELETE FROM {table} WHERE {column} IN ({placeholders(gone)})", gone)  # noqa: S608

        await self._database.run("hek_clear_leftovers", work)

    async def known_media(self, media_ids: Sequence[str]) -> set[str]:
        """Which of some local files Synapse still lists."""

        def work(txn: Transaction) -> set[str]:
            txn.execute(
                f"SELECT media_id FROM local_media_repository WHERE media_id IN ({placeholders(media_ids)})",  # noqa: S608
                tuple(media_ids),
            )
            return {row[0] for row in txn.fetchall()}

        return await self._database.run("hek_known_media", work)
