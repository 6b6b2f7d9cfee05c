"""The set of accounts that insured people may reach, read by version within one history of the directory."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.rules.audit_chain import AuditHead
from directory_service.store.history import Position, continues
from directory_service.store.tables import directory_version, reachable_account


@dataclass(frozen=True, slots=True)
class ReachableChange:
    """What changed after a version.

    Attributes:
        full: whether ``add`` is the whole set, or the first page of it.
        since: the version it starts from; 0 if it is full.
        position: what to ask from next.
        add: user ids that may be reached.
        remove: user ids that may no longer be reached.
        more: whether a page follows, to be asked for from ``position`` on.
    """

    full: bool
    since: int
    position: Position
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
            return await _newest(connection)

    async def continues(self, asked: Position | None) -> bool:
        """Whether what somebody has is of this history, so that what changed since leads to the present set."""
        async with self._engine.connect() as connection:
            return await _continues(connection, asked)

    async def since(self, asked: Position | None, limit: int | None = None) -> ReachableChange:
        """What changed after a position, or the whole set if there is none or it is not one of this history.

        Args:
            asked: what the asker has; None if it has nothing.
            limit: how many accounts one page has at most; None for all at once.
        """
        async with self._engine.connect() as connection:
            since = asked.version if asked is not None and await _continues(connection, asked) else 0
            # One statement, so that accounts and head are of the same moment: a page that holds more than its head
            # says could not be told from one of another history.
            rows = (await connection.execute(_page(since, None if limit is None else limit + 1))).all()
        told = [row for row in rows if row.user_id is not None]
        more = limit is not None and len(told) > limit
        page = told[:limit]
        return ReachableChange(
            full=since == 0,
            since=since,
            position=Position(
                page[-1].version if more else rows[0].reachable_version,
                AuditHead(rows[0].audit_entries, rows[0].audit_head),
            ),
            add=tuple(sorted(row.user_id for row in page if row.reachable)),
            remove=tuple(sorted(row.user_id for row in page if not row.reachable)),
            more=more,
        )


async def _newest(connection: AsyncConnection) -> int:
    return int((await connection.execute(sa.select(directory_version.c.reachable))).scalar_one())


async def _continues(connection: AsyncConnection, asked: Position | None) -> bool:
    return (
        asked is not None
        and 1 <= asked.version <= await _newest(connection)
        and await continues(connection, asked.head)
    )


def _page(since: int, limit: int | None) -> sa.Select[tuple[int, int, str, str | None, bool | None, int | None]]:
    """The accounts after a version, in order, each beside the newest version and head; these alone if there is none."""
    # Who starts need not hear of those that left before.
    wanted = reachable_account.c.version > since if since else reachable_account.c.reachable
    return (
        sa.select(
            directory_version.c.reachable.label("reachable_version"),
            directory_version.c.audit_entries,
            directory_version.c.audit_head,
            reachable_account.c.user_id,
            reachable_account.c.reachable,
            reachable_account.c.version,
        )
        .select_from(directory_version.outerjoin(reachable_account, wanted))
        .order_by(reachable_account.c.version)
        .limit(limit)
    )
