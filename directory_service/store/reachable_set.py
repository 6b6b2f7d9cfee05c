"""The set of accounts that insured people may reach, read by version."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.store.tables import directory_version, reachable_account


@dataclass(frozen=True, slots=True)
class ReachableChange:
    """What changed after a version.

    Attributes:
        full: whether ``add`` is the whole set, or the first page of it.
        since: the version it starts from; 0 if it is full.
        version: the version to ask from next.
        add: user ids that may be reached.
        remove: user ids that may no longer be reached.
        more: whether a page follows, to be asked for from ``version`` on.
    """

    full: bool
    since: int
    version: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    more: bool = False


class ReachableSet:
    """Reads what ``store.practice_changes`` wrote."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def version(self) -> int:
        """The newest version that is committed; 1 if nothing was ever changed."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(sa.select(directory_version.c.reachable))).scalar_one())

    async def since(self, version: int, limit: int | None = None) -> ReachableChange:
        """What changed after a version, or the whole set if the version is 0 or not one of ours.

        The version is read first: what is committed in between may be told now and once more, but is never missed.

        Args:
            version: what the asker has.
            limit: how many accounts one page has at most; None for all at once.
        """
        newest = await self.version()
        full = not 1 <= version <= newest
        rows = sa.select(reachable_account).order_by(reachable_account.c.version)
        # Who starts need not hear of those that left before.
        rows = rows.where(reachable_account.c.reachable if full else reachable_account.c.version > version)
        async with self._engine.connect() as connection:
            found = (await connection.execute(rows.limit(None if limit is None else limit + 1))).all()
        more = limit is not None and len(found) > limit
        page = found[:limit]
        return ReachableChange(
            full=full,
            since=0 if full else version,
            version=page[-1].version if more else newest,
            add=tuple(sorted(row.user_id for row in page if row.reachable)),
            remove=tuple(sorted(row.user_id for row in page if not row.reachable)),
            more=more,
        )
