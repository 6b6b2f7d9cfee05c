"""Points in the directory's history: a version means something only together with the history that it is of."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from directory_service.rules.audit_chain import START, AuditHead
from directory_service.store.tables import audit


@dataclass(frozen=True, slots=True)
class Position:
    """How far somebody followed the directory, and in which history of it.

    Attributes:
        version: of the practices or of the reachable set, whichever is followed.
        head: where the audit log ended when that was told. A database that was restored to an earlier moment gives the
            same versions to other changes, but its log never leads to this head again.
    """

    version: int
    head: AuditHead


async def continues(connection: AsyncConnection, head: AuditHead) -> bool:
    """Whether the log once ended with this head, so that all that happened until then is a part of this history."""
    if head.entries == 0:
        return head.head == START
    query = sa.select(audit.c.hash).where(audit.c.id == head.entries)
    return (await connection.execute(query)).scalar_one_or_none() == head.head
