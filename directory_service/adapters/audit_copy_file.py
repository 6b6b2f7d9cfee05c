"""The copy of the audit log that an operator keeps apart from the database, and what it says after a restore."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

from directory_service.rules.audit_chain import START, AuditEntry, AuditHead, ChainBroken, ChainCheck
from directory_service.rules.audit_copy import UnreadableLine, line_of, read_line
from directory_service.store.audit_log import AuditLog

_TAIL = 64 * 1024
"""In bytes, more than any line is long."""


class CopyUnfit(Exception):  # noqa: N818 - reads as what it is
    """A copy and the database are not of one history, or the copy cannot be read; the text is for the operator."""


async def add_to_copy(log: AuditLog, file: Path) -> int:
    """Adds to a copy what it lacks; makes it if there is none. Killed within, it goes on the next time.

    Returns:
        How many entries were added.

    Raises:
        CopyUnfit: if the database does not have what the copy ends with.
    """
    with os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as copy:
        end, head = _last_whole_line(copy)
        if not await log.continues(head):
            raise CopyUnfit(
                "the database does not have what it ends with, because it was restored to an earlier moment or is "
                "another one; run after-restore with it, then begin a new one"
            )
        copy.truncate(copy.seek(end))
        added, number = 0, head.entries
        while entries := await log.after(number):
            copy.writelines(f"{line_of(*entry)}\n".encode("ascii") for entry in entries)
            added, number = added + len(entries), entries[-1][0].number
        copy.flush()
        os.fsync(copy.fileno())
    return added


def lost_after(file: Path, head: AuditHead) -> Mapping[str, Sequence[AuditEntry]]:
    """What a copy has after a head of the log, by Telematik-ID and in order.

    Args:
        file: the copy; it is checked from its first entry on.
        head: where the restored database's log ends.

    Raises:
        CopyUnfit: if the copy is no log, or not one that once ended with that head.
    """
    check, lost = ChainCheck(), defaultdict[str, list[AuditEntry]](list)
    known = head == AuditHead(0, START)
    with file.open("rb") as copy:
        for line in copy:
            if not line.endswith(b"\n"):
                break  # torn by a kill; add_to_copy would have taken it away
            entry, written = _read(line)
            try:
                check.take(entry, written)
            except ChainBroken as broken:
                raise CopyUnfit(f"the copy does not hold at entry {broken.number}") from None
            if entry.number > head.entries:
                lost[entry.telematik_id].append(entry)
            known = known or (check.entries, check.head) == (head.entries, head.head)
    if not known:
        raise CopyUnfit("the database is no earlier state of what it tells, or was changed since it was restored")
    return lost


def _last_whole_line(copy: BinaryIO) -> tuple[int, AuditHead]:
    """Where the last line that was written wholly ends, and the head that it tells."""
    begun = max(0, copy.seek(0, os.SEEK_END) - _TAIL)
    copy.seek(begun)
    lines, end, _torn = copy.read().rpartition(b"\n")
    if not end and begun:
        raise CopyUnfit("it is none")
    if not end:
        return 0, AuditHead(0, START)
    entry, written = _read(lines.rpartition(b"\n")[2])
    return begun + len(lines) + 1, AuditHead(entry.number, written)


def _read(line: bytes) -> tuple[AuditEntry, str]:
    try:
        return read_line(line.decode("ascii"))
    except (UnicodeDecodeError, UnreadableLine):
        raise CopyUnfit("it is none") from None
