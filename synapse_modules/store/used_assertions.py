"""Client assertions that were used, so that none is used twice (``token_grant.ReplayStore``)."""

from __future__ import annotations

import hashlib
from datetime import datetime

from synapse_modules.store.interaction import Database, Transaction

_FORGET_AFTER_S = 60


class UsedAssertions:
    """Shared by all processes of the homeserver."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def use_once(self, issuer: str, statement_id: str, expires_at: int, now: datetime) -> bool:
        """Marks a statement as used until ``expires_at`` (seconds since 1970); False if it was used before.

        Its id is kept as a hash, since a caller may put anything into it.
        """

        def work(txn: Transaction) -> bool:
            txn.execute(
                "DELETE FROM hek_used_statement WHERE expires_at < ?", (int(now.timestamp()) - _FORGET_AFTER_S,)
            )
            txn.execute(
                "INSERT INTO hek_used_statement (issuer, statement_id, expires_at) VALUES (?, ?, ?)"
                " ON CONFLICT DO NOTHING",
                (issuer, hashlib.sha256(statement_id.encode()).hexdigest(), expires_at),
            )
            return txn.rowcount == 1

        return await self._database.run("hek_use_statement", work)
