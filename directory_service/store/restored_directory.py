"""Hides, in a restored database, the practices whose last word is lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.after_restore import RESTORE, after_restore
from directory_service.rules.audit_chain import AuditEntry, AuditHead
from directory_service.store.practice_changes import Change, changing
from directory_service.store.practice_rows import practices_by_id

_BATCH = 500


class WrittenMeanwhile(Exception):  # noqa: N818 - reads as what happened
    """Somebody changed the restored database after its head was read."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """How many practices were hidden or taken out, and how many joined after the backup and are not known any more."""

    changed: int
    unknown: int


async def hide_lost(
    engine: AsyncEngine, head: AuditHead, lost: Mapping[str, Sequence[AuditEntry]], now: datetime
) -> Hidden:
    """Does what ``rules.after_restore`` says, for all practices in one transaction.

    Args:
        engine: the restored database.
        head: where its audit log ends.
        lost: what happened afterwards, by Telematik-ID.
        now: the present moment.

    Raises:
        WrittenMeanwhile: if its audit log does not end there any more; nothing is changed then.
    """
    changed = unknown = 0
    everybody = sorted(lost)
    async with changing(engine) as change:
        if change.head != head:
            raise WrittenMeanwhile
        for first in range(0, len(everybody), _BATCH):
            ids = everybody[first : first + _BATCH]
            restored = await practices_by_id(change.connection, ids)
            afters = {one: after_restore(before, lost[one]) for one, before in restored.items()}
            changes = [
                Change(restored[one], after, after.state.value, RESTORE)
                for one, after in afters.items()
                if after != restored[one]
            ]
            if changes:
                await change.write(changes, now)
            changed += len(changes)
            unknown += len(ids) - len(restored)
    return Hidden(changed, unknown)
