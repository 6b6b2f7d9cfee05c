"""Tells a process which practices changed, so that what it holds in memory follows the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.audit_chain import AuditHead
from directory_service.rules.practice import Practice, PracticeState
from directory_service.rules.standing import PracticeRight
from directory_service.store.history import Position, continues
from directory_service.store.practice_rows import COLUMNS, as_practice
from directory_service.store.tables import directory_version, practice

_BATCH = 2000
_VERSION = directory_version.c.practices.label("newest")


class VersionUnknown(Exception):  # noqa: N818 - reads as what it is
    """The database is of another history than what the asker has, as after a restore; only starting anew helps."""


@dataclass(frozen=True, slots=True)
class PracticeChanges:
    """Practices that changed.

    Attributes:
        position: what to ask from next.
        practices: as they are now, listed or not, in the order of their last change.
        more: whether further ones can be asked for at once.
    """

    position: Position
    practices: tuple[Practice, ...]
    more: bool


class ChangeFeed:
    """Every practice by the version of its last change.

    A process that holds practices in memory reads ``position()``, takes everything from ``listed()`` and
    ``rights()``, and from then on asks ``since()`` with the position that it has. What changes in between
    may be told twice but is never missed.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def version(self) -> int:
        """The newest version that is committed; 1 if nothing was ever changed."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(sa.select(directory_version.c.practices))).scalar_one())

    async def listed(self) -> AsyncIterator[tuple[Practice, ...]]:
        """All practices that are listed, some thousand at a time."""
        after = 0
        while True:
            batch = await self._read(practice.c.listed, practice.c.version > after, limit=_BATCH)
            if not batch:
                return
            yield batch
            after = batch[-1].version

    async def rights(self) -> dict[str, PracticeRight]:
        """The rights of the practices' accounts that are not as they began."""
        gone = practice.c.state == PracticeState.WITHDRAWN.value
        changed = sa.select(practice.c.user_id, gone.label("gone"), practice.c.epoch).where(
            sa.or_(gone, practice.c.epoch > 0), practice.c.user_id.is_not(None)
        )
        async with self._engine.connect() as connection:
            rows = (await connection.execute(changed)).all()
        return {row.user_id: PracticeRight(withdrawn=bool(row.gone), epoch=row.epoch) for row in rows}

    async def position(self) -> Position:
        """The newest version, and the history that it is of."""
        async with self._engine.connect() as connection:
            end = (await connection.execute(sa.select(directory_version))).one()
        return Position(end.practices, AuditHead(end.audit_entries, end.audit_head))

    async def since(self, asked: Position | None, limit: int = _BATCH) -> PracticeChanges:
        """The practices whose last change is later than a position; all if there is none.

        Raises:
            VersionUnknown: if that position is not in this history, or yet to come.
        """
        version = asked.version if asked is not None else 0
        # Of one moment with the practices, as in ``store.reachable_set``.
        query = (
            sa.select(_VERSION, directory_version.c.audit_entries, directory_version.c.audit_head, *COLUMNS)
            .select_from(directory_version.outerjoin(practice, practice.c.version > version))
            .order_by(practice.c.version)
            .limit(limit + 1)
        )
        async with self._engine.connect() as connection:
            if asked is not None and not await continues(connection, asked.head):
                raise VersionUnknown
            rows = (await connection.execute(query)).all()
        newest, head = rows[0].newest, AuditHead(rows[0].audit_entries, rows[0].audit_head)
        if version > newest:
            raise VersionUnknown
        found = tuple(as_practice(row) for row in rows if row.telematik_id is not None)
        more, page = len(found) > limit, found[:limit]
        return PracticeChanges(Position(page[-1].version if more else newest, head), page, more)

    async def _read(self, *conditions: sa.ColumnElement[bool], limit: int) -> tuple[Practice, ...]:
        query = sa.select(*COLUMNS).where(*conditions).order_by(practice.c.version).limit(limit)
        async with self._engine.connect() as connection:
            return tuple(map(as_practice, await connection.execute(query)))
