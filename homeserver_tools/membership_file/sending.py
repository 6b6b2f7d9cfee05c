"""Sends the rows in batches, in their order, and waits out an outage of the homeserver."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from homeserver_tools.membership_file.journal import Journal, Progress
from homeserver_tools.membership_file.rows import Row, read_rows
from messenger_core.backoff import Backoff
from messenger_core.homeserver_interface import CALLS_PREFIX
from messenger_core.service_auth.client import CallFailed, ServiceClient

_CALL = f"{CALLS_PREFIX}/memberships/batch"
_SCOPE = "membership:write"
_MOST_ROWS = 1000
_MOST_BYTES = 500_000
_TELL_EVERY_S = 5.0
_PAUSES = Backoff(first_s=0.5, most_s=30.0)
_TRY_AGAIN = frozenset({None, 401, 408, 429, 500, 502, 503, 504})
# The names of other fields come from the file, and might be anything.
_FIELDS = frozenset({"kvnr", "on", "reason", "issued_at", "undo"})


def batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    """Rows in lists that fit into one call."""
    batch: list[Row] = []
    size = 0
    for row in rows:
        if batch and (len(batch) == _MOST_ROWS or size + row.size > _MOST_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(row)
        size += row.size
    if batch:
        yield batch


class Sender:
    """Sends one file."""

    def __init__(self, client: ServiceClient, *, patience_s: float, tell: Callable[[str], None]) -> None:
        """Takes how long an outage of the homeserver is waited out, in seconds."""
        self._client = client
        self._patience_s = patience_s
        self._tell = tell

    async def send(self, path: Path, journal: Journal) -> Progress:
        """Sends what of the file was not sent yet.

        Raises:
            CallFailed: if the homeserver refuses the calls, or was away for too long; what was sent stays written down.
        """
        progress = journal.begin()
        if progress.rows:
            self._tell(f"going on after line {progress.line}")
        status = path.stat()
        issued_at = min(status.st_mtime_ns // 1_000_000, time.time_ns() // 1_000_000)
        begun, rows_before, told = time.monotonic(), progress.rows, time.monotonic()
        with path.open("rb") as file:
            for batch in batches(read_rows(file, offset=progress.offset, line=progress.line)):
                progress = await self._send_batch(batch, issued_at, progress, journal)
                if time.monotonic() - told >= _TELL_EVERY_S:
                    told = time.monotonic()
                    rate = (progress.rows - rows_before) / (told - begun)
                    share = progress.offset / max(status.st_size, 1)
                    self._tell(f"{progress.rows} rows ({share:.0%}), {rate:.0f} a second, {progress.rejected} rejected")
        journal.finish(progress)
        return progress

    async def _send_batch(self, batch: list[Row], issued_at: int, progress: Progress, journal: Journal) -> Progress:
        rejected = [(row.line, [{"field": "", "detail": row.fault}]) for row in batch if row.value is None]
        readable = [row for row in batch if row.value is not None]
        accepted = outdated = 0
        if readable:
            # A row says what was known when the file was written, not when it is sent.
            statements = [{"issued_at": issued_at, **(row.value or {})} for row in readable]
            answer = await self._patiently(statements)
            accepted, outdated = answer["accepted"], answer["outdated"]
            rejected += [(readable[one["index"]].line, _told(one["errors"])) for one in answer["rejected"]]
        done = replace(
            progress,
            offset=batch[-1].end,
            line=batch[-1].line,
            rows=progress.rows + len(batch),
            accepted=progress.accepted + accepted,
            outdated=progress.outdated + outdated,
            rejected=progress.rejected + len(rejected),
        )
        return journal.advance(done, [{"line": line, "errors": errors} for line, errors in sorted(rejected)])

    async def _patiently(self, statements: list[dict[str, object]]) -> dict[str, Any]:
        deadline = time.monotonic() + self._patience_s
        for failures in count(1):
            pause_s = _PAUSES.wait_s(failures)
            try:
                answer = await self._client.call("POST", _CALL, scope=_SCOPE, body={"statements": statements})
            except CallFailed as fault:
                if fault.status not in _TRY_AGAIN or time.monotonic() + pause_s > deadline:
                    raise
                if failures == 1:
                    self._tell(f"the homeserver does not answer as it should, trying again ({fault})")
            else:
                return dict(answer)
            await asyncio.sleep(pause_s)
        raise AssertionError("counting has no end")


def _told(errors: list[dict[str, str]]) -> list[dict[str, str]]:
    """Faults of a row with the names of fields that are ours."""
    return [
        {"field": fault["field"] if fault["field"] in _FIELDS else "(not described)", "detail": fault["detail"]}
        for fault in errors
    ]
