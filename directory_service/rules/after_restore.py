"""What becomes of a practice whose newest entries of the audit log a restored database does not know.

Its last word is not known any more: it may have paused, hidden an address or left. So it is hidden until it opts in
again; only what the national directory told is left to the next import, which tells it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from directory_service.rules.audit_chain import AuditEntry
from directory_service.rules.imported_entry import IMPORTED_BY
from directory_service.rules.practice import Practice, PracticeState, after_withdrawal

RESTORE = "restore"
"""Who changes a practice after a restore, in the audit log."""


def after_restore(restored: Practice, lost: Sequence[AuditEntry]) -> Practice:
    """The practice as it shall be, which may be as it was restored.

    Args:
        restored: as the restored database has it.
        lost: what happened to it after the backup, in order.
    """
    own = [entry.what for entry in lost if entry.by != IMPORTED_BY]
    left = PracticeState.WITHDRAWN.value
    if left in own and "joined" not in own[own.index(left) :] and restored.state is not PracticeState.WITHDRAWN:
        return after_withdrawal(restored)
    if own and restored.state is PracticeState.OPTED_IN:
        return replace(restored, state=PracticeState.PAUSED)
    return restored
