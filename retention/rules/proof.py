"""The proof of erasure: a chain of sealed rows that says what was erased and when, without any content."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass

FIRST_LINK = "0" * 64
"""What stands in the place of a previous seal in the first row."""


@dataclass(frozen=True, slots=True)
class ErasedRoom:
    """What a row says.

    Attributes:
        run_id: the erasure that it belongs to.
        room: the room's identifier as a SHA-256 in hex, or None where only the bot still held something.
        messages: how many messages were due.
        media: how many files were due.
        before: everything older than this moment was erased; milliseconds since 1970.
        erased_at: when homeserver and bot had confirmed that nothing remains; milliseconds since 1970.
    """

    run_id: str
    room: str | None
    messages: int
    media: int
    before: int
    erased_at: int

    def text(self) -> str:
        """The one form in which it is sealed and stored."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return json.dumps(fields, sort_keys=True, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class ProofRow:
    """A stored row; ``seal`` covers the previous row's seal, the number and the content."""

    number: int
    previous: str
    content: str
    seal: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of checking a chain.

    Attributes:
        rows: how many rows are good.
        broken_at: the number of the first row that does not fit, or None.
        last_seal: the seal of the last good row; noted elsewhere, it also shows when rows are cut off at the end.
    """

    rows: int
    broken_at: int | None
    last_seal: str


def room_hash(room_id: str) -> str:
    """A room's identifier as it stands in the proof."""
    return hashlib.sha256(room_id.encode()).hexdigest()


def sealed(number: int, previous: str, content: str) -> ProofRow:
    """The row that follows the one with the seal ``previous``."""
    seal = hashlib.sha256(f"{previous}\n{number}\n{content}".encode()).hexdigest()
    return ProofRow(number, previous, content, seal)


def check_chain(rows: Iterable[ProofRow]) -> Verdict:
    """Checks every row against the one before it."""
    last_seal, good = FIRST_LINK, 0
    for row in rows:
        if row != sealed(good + 1, last_seal, row.content):
            return Verdict(good, good + 1, last_seal)
        last_seal, good = row.seal, good + 1
    return Verdict(good, None, last_seal)
