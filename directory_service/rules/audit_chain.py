"""The audit log's chain: each entry's hash covers the entry and the hash before it.

Whoever changes, removes or inserts an entry later breaks the chain there. Who replaces the whole rest of the log is
found out by a head that was noted before and kept elsewhere. A database that was restored to an earlier moment is found
out the same way: what happened there since has other hashes than what had happened before.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass

START = "0" * 64
"""The hash before the first entry."""
_MARK = re.compile(r"(0|[1-9][0-9]{0,17})-([0-9a-f]{64})", re.ASCII)


@dataclass(frozen=True, slots=True)
class AuditHead:
    """Where the log ends: how many entries it has, and the hash of the last."""

    entries: int
    head: str

    @property
    def mark(self) -> str:
        """As one word, for those who keep it and give it back."""
        return f"{self.entries}-{self.head}"


def head_of(mark: str) -> AuditHead | None:
    """The head that a mark stands for; None if it is no mark of ours."""
    found = _MARK.fullmatch(mark)
    return AuditHead(int(found[1]), found[2]) if found else None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that happened.

    Attributes:
        number: 1 for the first entry, without gaps.
        telematik_id: to which practice.
        at: when, in milliseconds since 1970.
        what: e.g. ``opted-in``.
        by: who did it: a Telematik-ID, a verifier, or the operator.
        consent_text: the version of the text that the practice agreed to; None if it agreed to none.
    """

    number: int
    telematik_id: str
    at: int
    what: str
    by: str
    consent_text: str | None


def entry_hash(before: str, entry: AuditEntry) -> str:
    """The hash of an entry: SHA-256, in hexadecimal, of the hash before it and all of its fields.

    Args:
        before: the hash of the entry before, or ``START``.
        entry: what happened.
    """
    fields = [before, entry.number, entry.telematik_id, entry.at, entry.what, entry.by, entry.consent_text]
    return hashlib.sha256(json.dumps(fields, ensure_ascii=True, separators=(",", ":")).encode("ascii")).hexdigest()


class ChainBroken(Exception):  # noqa: N818 - reads as what happened
    """An entry is not what was written, or is not there.

    Attributes:
        number: the first entry at which the chain does not hold.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"the audit log does not hold at entry {number}")
        self.number = number


class ChainCheck:
    """Goes through a log from its first entry on, in order."""

    def __init__(self) -> None:
        self.entries = 0
        self.head = START

    def take(self, entry: AuditEntry, written_hash: str) -> None:
        """Checks the next entry.

        Raises:
            ChainBroken: if it is not the one that was written after those before.
        """
        if entry.number != self.entries + 1 or entry_hash(self.head, entry) != written_hash:
            raise ChainBroken(self.entries + 1)
        self.entries, self.head = entry.number, written_hash

    def finish(self, entries: int, head: str) -> None:
        """Checks that the log ends where the directory says that it does.

        Raises:
            ChainBroken: if entries are missing at its end, or are too many.
        """
        if (self.entries, self.head) != (entries, head):
            raise ChainBroken(min(self.entries, entries) + 1)
