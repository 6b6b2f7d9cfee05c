"""Accounts whose sessions stand on a key that is no longer theirs, until all of these sessions are gone."""

from __future__ import annotations

from synapse_modules.rules.practice_keys import takes_a_key_away
from synapse_modules.store.interaction import Database, Transaction


class SessionsToEnd:
    """A row an account; it is written with the new keys, so that no interruption leaves the old sessions."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def change_keys(self, user_id: str, jwks: str, *, at: int) -> None:
        """Writes a practice's keys down, and that her sessions end if one of the old keys is taken away."""

        def work(txn: Transaction) -> None:
            txn.execute("SELECT jwks FROM hek_account WHERE user_id = ?", (user_id,))
            row = txn.fetchone()
            if row is None or row[0] == jwks:
                return
            txn.execute("UPDATE hek_account SET jwks = ? WHERE user_id = ?", (jwks, user_id))
            if takes_a_key_away(row[0], jwks):
                txn.execute(
                    "INSERT INTO hek_sessions_to_end (user_id, noted_at) VALUES (?, ?) ON CONFLICT DO NOTHING",
                    (user_id, at),
                )

        await self._database.run("hek_change_keys", work)

    async def all(self) -> list[str]:
        """The accounts whose sessions have to end."""

        def work(txn: Transaction) -> list[str]:
            txn.execute("SELECT user_id FROM hek_sessions_to_end ORDER BY noted_at, user_id")
            return [str(user_id) for (user_id,) in txn.fetchall()]

        return await self._database.run("hek_sessions_to_end", work)

    async def strike_out(self, user_id: str) -> None:
        """Notes that all sessions of an account are gone."""

        def work(txn: Transaction) -> None:
            txn.execute("DELETE FROM hek_sessions_to_end WHERE user_id = ?", (user_id,))

        await self._database.run("hek_sessions_ended", work)
