"""The audit log's chain: whatever is done to a log afterwards shows at the entry where it was done."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.audit_chain import START, AuditEntry, ChainBroken, ChainCheck, entry_hash

Log = list[tuple[AuditEntry, str]]


def log_of(*happened: str) -> Log:
    head, log = START, []
    for number, what in enumerate(happened, start=1):
        entry = AuditEntry(number, "1-2001", 1_000 + number, what, "1-2001", None)
        head = entry_hash(head, entry)
        log.append((entry, head))
    return log


def first_fault(log: Log, entries: int, head: str) -> int | None:
    check = ChainCheck()
    try:
        for entry, written in log:
            check.take(entry, written)
        check.finish(entries, head)
    except ChainBroken as broken:
        return broken.number
    return None


LOG = log_of("joined", "profile-written", "opted-in", "paused", "withdrawn")
HEAD = LOG[-1][1]


def test_a_log_as_it_was_written_holds() -> None:
    assert first_fault(LOG, 5, HEAD) is None
    assert first_fault([], 0, START) is None


TAMPERED: list[tuple[str, Callable[[Log], Log], int]] = [
    ("changed", lambda log: [*log[:2], (replace(log[2][0], what="paused"), log[2][1]), *log[3:]], 3),
    ("by somebody else", lambda log: [(replace(log[0][0], by="1-9"), log[0][1]), *log[1:]], 1),
    ("at another time", lambda log: [*log[:4], (replace(log[4][0], at=1), log[4][1])], 5),
    ("removed", lambda log: [*log[:1], *log[2:]], 2),
    ("swapped", lambda log: [log[1], log[0], *log[2:]], 1),
    ("put in", lambda log: [*log[:3], (replace(log[3][0], what="joined"), log[3][1]), *log[3:]], 4),
    ("cut off", lambda log: log[:3], 4),
    ("cut off whole", lambda _: [], 1),
    ("rewritten from there on", lambda log: log_of("joined", "profile-written", "paused", "paused", "withdrawn"), 6),
]


@pytest.mark.parametrize(("tamper", "number"), [row[1:] for row in TAMPERED], ids=[row[0] for row in TAMPERED])
def test_what_is_done_to_a_log_shows(tamper: Callable[[Log], Log], number: int) -> None:
    assert first_fault(tamper(list(LOG)), 5, HEAD) == number


texts = st.text(max_size=5)
entries = st.builds(AuditEntry, st.integers(1, 9), texts, st.integers(0, 9), texts, texts, st.one_of(st.none(), texts))


@given(entries, entries)
def test_different_entries_have_different_hashes(one: AuditEntry, other: AuditEntry) -> None:
    assert (entry_hash(START, one) == entry_hash(START, other)) == (one == other)
