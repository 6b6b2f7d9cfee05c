"""The set of practices that insured people may reach, read by version."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.practice import PracticeState
from directory_service.store.tables import practice, reachability


@dataclass(frozen=True, slots=True)
class ReachableChange:
    """What changed after a version.

    Attributes:
        full: whether ``add`` is the whole set.
        since: the version it starts from; 0 if it is full.
        version: the version to ask from next.
        add: user ids that may be reached.
        remove: user ids that may no longer be reached.
    """

    full: bool
    since: int
    version: int
    add: tuple[str, ...]
    remove: tuple[str, ...]


class ReachableSet:
    """Reads what ``store.practices`` wrote."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def version(self) -> int:
        """The newest version that is committed; 1 if nothing was ever changed."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(sa.select(reachability.c.version))).scalar_one())

    async def since(self, version: int) -> ReachableChange:
        """What changed after a version, or the whole set if the version is 0 or not one of ours.

        The version is read first: what is committed in between may be told now and once more, but is never missed.
        """
        newest = await self.version()
        full = not 1 <= version <= newest
        changed = practice.c.reachability_version > (0 if full else version)
        rows = sa.select(practice.c.user_id, practice.c.state).where(changed).order_by(practice.c.user_id)
        async with self._engine.connect() as connection:
            found = [(user, state == PracticeState.OPTED_IN.value) for user, state in await connection.execute(rows)]
        return ReachableChange(
            full=full,
            since=0 if full else version,
            version=newest,
            add=tuple(user for user, reachable in found if reachable),
            remove=() if full else tuple(user for user, reachable in found if not reachable),
        )
