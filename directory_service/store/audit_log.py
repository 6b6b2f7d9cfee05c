"""Reads the audit log and checks that it is what was written."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.audit_chain import START, AuditEntry, AuditHead, ChainBroken, ChainCheck
from directory_service.store.history import continues
from directory_service.store.tables import audit, directory_version

_BATCH = 5000


class HeadMissing(Exception):  # noqa: N818 - reads as what happened
    """A head that was noted before is not in the log: it was replaced from there on, or before."""


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(row.id, row.telematik_id, row.at, row.what, row.by, row.consent_text)


class AuditLog:
    """The table ``audit``."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def head(self) -> AuditHead:
        """Where it ends now."""
        async with self._engine.connect() as connection:
            end = (await connection.execute(sa.select(directory_version))).one()
        return AuditHead(end.audit_entries, end.audit_head)

    async def continues(self, head: AuditHead) -> bool:
        """Whether it once ended with this head."""
        async with self._engine.connect() as connection:
            return await continues(connection, head)

    async def after(self, number: int) -> list[tuple[AuditEntry, str]]:
        """The next entries after one, each with its hash, some thousand at a time; none at the end."""
        query = sa.select(audit).where(audit.c.id > number).order_by(audit.c.id).limit(_BATCH)
        async with self._engine.connect() as connection:
            return [(_entry(row), row.hash) for row in await connection.execute(query)]

    async def verify(self, noted: str | None = None) -> AuditHead:
        """Checks the whole log, entry by entry.

        Args:
            noted: a head that was noted before and must still be in the log.

        Raises:
            ChainBroken: if an entry was changed, removed or put in between.
            HeadMissing: if the log is a chain but not the one that had the head noted.
        """
        check, noted_is_there = ChainCheck(), noted in {None, START}
        async with self._engine.connect() as connection:
            end = (await connection.execute(sa.select(directory_version))).one()
            while True:
                rows = (
                    await connection.execute(
                        sa.select(audit)
                        .where(audit.c.id > check.entries, audit.c.id <= end.audit_entries)
                        .order_by(audit.c.id)
                        .limit(_BATCH)
                    )
                ).all()
                for row in rows:
                    check.take(_entry(row), row.hash)
                    noted_is_there = noted_is_there or row.hash == noted
                if len(rows) < _BATCH:
                    break
            # In this order: what is written meanwhile is at most in the second answer.
            last = (await connection.execute(sa.select(sa.func.max(audit.c.id)))).scalar_one() or 0
            said = (await connection.execute(sa.select(directory_version.c.audit_entries))).scalar_one()
        check.finish(end.audit_entries, end.audit_head)
        if last > said:
            raise ChainBroken(said + 1)
        if not noted_is_there:
            raise HeadMissing
        return AuditHead(check.entries, check.head)
