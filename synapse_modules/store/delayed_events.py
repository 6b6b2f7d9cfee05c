"""Synapse's table of events that are to be sent later (MSC4140)."""

from __future__ import annotations

from synapse_modules.store.interaction import Database, Transaction


class DelayedEvents:
    """Reads whose they are, and makes those due again that were held."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def owner(self, delay_id: str) -> str | None:
        """The localpart of whoever scheduled an event; None if there is no such event."""

        def work(txn: Transaction) -> str | None:
            txn.execute("SELECT user_localpart FROM delayed_events WHERE delay_id = ?", (delay_id,))
            row = txn.fetchone()
            return str(row[0]) if row else None

        return await self._database.run("hek_delayed_event_owner", work)

    async def release(self, localpart: str) -> int | None:
        """Makes somebody's held events due again.

        Synapse marks an event before it sends it; one that was held has stayed marked.

        Returns:
            When the next event of all people is to be sent, in milliseconds since 1970; None if this person has none.
        """

        def work(txn: Transaction) -> int | None:
            txn.execute(
                "UPDATE delayed_events SET is_processed = FALSE WHERE user_localpart = ? AND is_processed", (localpart,)
            )
            if txn.rowcount == 0:
                return None
            txn.execute("SELECT MIN(send_ts) FROM delayed_events WHERE NOT is_processed")
            row = txn.fetchone()
            return int(row[0]) if row is not None and row[0] is not None else None

        return await self._database.run("hek_release_delayed_events", work)
