"""The sealed KVNRs of all accounts, for the change from one encryption key to the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from synapse_modules.rules.kvnr_vault import KEY_ID_END, KEY_ID_LENGTH
from synapse_modules.store.interaction import Database, Transaction

_KEY_ID = f"SUBSTR(kvnr_sealed, 1, {KEY_ID_LENGTH + len(KEY_ID_END)})"
# No LIKE: Synapse's driver for PostgreSQL would take its per cent sign for a placeholder.
_WITHOUT_KEY_ID = f"SUBSTR(kvnr_sealed, {KEY_ID_LENGTH + 1}, {len(KEY_ID_END)}) <> '{KEY_ID_END}'"


@dataclass(frozen=True, slots=True)
class SealedKvnr:
    """An account's sealed KVNR."""

    user_id: str
    sealed: str


def key_ids_in_use(txn: Transaction) -> list[str]:
    """The ids of the keys that seals name."""
    txn.execute(
        f"SELECT DISTINCT {_KEY_ID} FROM hek_account"  # noqa: S608 - our own words
        f" WHERE kvnr_sealed IS NOT NULL AND NOT ({_WITHOUT_KEY_ID})"
    )
    return sorted(prefix.removesuffix(KEY_ID_END) for (prefix,) in txn.fetchall())


def seal_without_key_id(txn: Transaction) -> SealedKvnr | None:
    """One seal of the first release, if there still is one."""
    txn.execute(f"SELECT user_id, kvnr_sealed FROM hek_account WHERE {_WITHOUT_KEY_ID} LIMIT 1")  # noqa: S608
    row = txn.fetchone()
    return SealedKvnr(*row) if row else None


class SealedKvnrs:
    """Reads and replaces seals; each replacement stands for itself, so that a kill loses nothing."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def not_sealed_with(self, key_id: str, limit: int) -> list[SealedKvnr]:
        """Some of the accounts whose KVNR is sealed with another key."""

        def work(txn: Transaction) -> list[SealedKvnr]:
            txn.execute(
                "SELECT user_id, kvnr_sealed FROM hek_account"  # noqa: S608 - our own words
                f" WHERE kvnr_sealed IS NOT NULL AND {_KEY_ID} <> ? ORDER BY user_id LIMIT ?",
                (key_id + KEY_ID_END, limit),
            )
            return [SealedKvnr(*row) for row in txn.fetchall()]

        return await self._database.run("hek_seals_of_other_keys", work)

    async def count_not_sealed_with(self, key_id: str) -> int:
        """How many these are."""

        def work(txn: Transaction) -> int:
            txn.execute(
                f"SELECT COUNT(*) FROM hek_account WHERE kvnr_sealed IS NOT NULL AND {_KEY_ID} <> ?",  # noqa: S608
                (key_id + KEY_ID_END,),
            )
            row = txn.fetchone()
            assert row is not None
            return int(row[0])

        return await self._database.run("hek_count_seals_of_other_keys", work)

    async def replace(self, before: Sequence[SealedKvnr], after: Mapping[str, str]) -> None:
        """Puts new seals (by user id) in the place of those that were read; one that changed since is left alone."""

        def work(txn: Transaction) -> None:
            for one in before:
                txn.execute(
                    "UPDATE hek_account SET kvnr_sealed = ? WHERE user_id = ? AND kvnr_sealed = ?",
                    (after[one.user_id], one.user_id, one.sealed),
                )

        await self._database.run("hek_replace_seals", work)
