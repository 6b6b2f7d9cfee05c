"""Which practices insured people may reach, as the directory says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from messenger_core.account_kinds import AccountKind
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed between two versions; ``add`` is the whole set if it is full."""

    full: bool
    since: int
    version: int
    add: tuple[str, ...]
    remove: tuple[str, ...]


class OutOfStep(Exception):  # noqa: N818 - reads as what happened
    """A delta starts from another version than the one that is stored; the whole set is needed."""


def _remove(txn: Transaction, user_ids: Iterable[str], at: int) -> None:
    for user_id in user_ids:
        txn.execute("DELETE FROM hek_reachable WHERE user_id = ?", (user_id,))
        if txn.rowcount:
            append_change(
                txn, at=at, user_id=user_id, kind=AccountKind.PRACTICE.value, what=What.REACHABILITY_WITHDRAWN
            )


class Reachability:
    """The set of practices that may be reached, its version, and when the directory last confirmed it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self) -> int:
        """The version that is stored; 0 if none ever was."""
        return (await self._state())[0]

    async def confirmed_at(self) -> int:
        """When the directory last said that the set is current, in milliseconds; 0 if it never did."""
        return (await self._state())[1]

    async def reaches(self, user_id: str) -> bool:
        """Whether the directory lists a practice, of whatever server, as reachable for insured people."""

        def work(txn: Transaction) -> bool:
            txn.execute("SELECT 1 FROM hek_reachable WHERE user_id = ?", (user_id,))
            return txn.fetchone() is not None

        return await self._database.run("hek_reaches", work)

    async def _state(self) -> tuple[int, int]:
        def work(txn: Transaction) -> tuple[int, int]:
            txn.execute("SELECT version, confirmed_at FROM hek_reachability")
            row = txn.fetchone()
            assert row is not None
            return int(row[0]), int(row[1])

        return await self._database.run("hek_reachability", work)

    async def apply(self, delta: Delta, *, at: int) -> None:
        """Applies a delta as a whole.

        Raises:
            OutOfStep: if it starts from another version.
        """

        def work(txn: Transaction) -> None:
            txn.execute("SELECT version FROM hek_reachability")
            row = txn.fetchone()
            assert row is not None
            if not delta.full and row[0] != delta.since:
                raise OutOfStep
            removed: Iterable[str] = delta.remove
            if delta.full:
                txn.execute("SELECT user_id FROM hek_reachable")
                removed = sorted({user_id for (user_id,) in txn.fetchall()} - set(delta.add))
            _remove(txn, removed, at)
            for user_id in delta.add:
                txn.execute("INSERT INTO hek_reachable (user_id) VALUES (?) ON CONFLICT DO NOTHING", (user_id,))
            txn.execute("UPDATE hek_reachability SET version = ?, confirmed_at = ?", (delta.version, at))

        await self._database.run("hek_apply_delta", work)
