"""What Synapse's tables hold of messages and files that are to be erased, and what its own purge leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from messenger_core.account_kinds import AccountKind
from synapse_modules.store.interaction import Database, Transaction, placeholders

_INSURERS_KINDS = frozenset({AccountKind.AGENT.value, AccountKind.SERVICE.value})
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

    async def clear_leftovers(self, room_id: str) -> None:
        """Deletes what still names events of a room that are gone; running it again changes nothing."""

        def work(txn: Transaction) -> None:
            for table, column in _LEFTOVERS:
                txn.execute(
                    f"DELETE FROM {table} WHERE room_id = ?"  # noqa: S608 - our own names
                    f" AND {column} NOT IN (SELECT event_id FROM events WHERE room_id = ?)",
                    (room_id, room_id),
                )

        await self._database.run("hek_clear_leftovers", work)

    async def media_of_others(self, media_ids: Sequence[str], insured_user_id: str | None) -> set[str]:
        """Which of some local files were uploaded by neither a room's insured person nor the insurer."""

        def work(txn: Transaction) -> set[str]:
            txn.execute(
                "SELECT m.media_id, m.user_id, a.kind FROM local_media_repository m"  # noqa: S608 - placeholders only
                f" LEFT JOIN hek_account a ON a.user_id = m.user_id WHERE m.media_id IN ({placeholders(media_ids)})",
                tuple(media_ids),
            )
            return {
                media_id
                for media_id, uploader, kind in txn.fetchall()
                if kind not in _INSURERS_KINDS and (uploader is None or uploader != insured_user_id)
            }

        return await self._database.run("hek_media_of_others", work)

    async def known_media(self, media_ids: Sequence[str]) -> set[str]:
        """Which of some local files Synapse still lists."""

        def work(txn: Transaction) -> set[str]:
            txn.execute(
                f"SELECT media_id FROM local_media_repository WHERE media_id IN ({placeholders(media_ids)})",  # noqa: S608
                tuple(media_ids),
            )
            return {row[0] for row in txn.fetchall()}

        return await self._database.run("hek_known_media", work)
