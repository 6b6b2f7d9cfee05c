"""How far a file was sent, and which rows were rejected: on disk, so that a run that was killed is continued."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

_HEAD_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Progress:
    """What is done of a file.

    Attributes:
        offset: the byte up to which it was sent.
        line: the number of lines up to there.
        report_bytes: the length of the report up to there.
    """

    offset: int = 0
    line: int = 0
    rows: int = 0
    accepted: int = 0
    outdated: int = 0
    rejected: int = 0
    report_bytes: int = 0


def fingerprint(path: Path) -> str:
    """Tells one file from another that has come to lie in its place."""
    status = path.stat()
    with path.open("rb") as file:
        head = hashlib.sha256(file.read(_HEAD_BYTES)).hexdigest()
    return f"{status.st_size}-{status.st_mtime_ns}-{head}"


class Journal:
    """``FILE.progress`` while a file is being sent, and ``FILE.rejected.ndjson`` if rows of it were rejected."""

    def __init__(self, path: Path) -> None:
        """Takes the path of the file to be sent."""
        self._file = fingerprint(path)
        self._progress = path.with_name(f"{path.name}.progress")
        self.report = path.with_name(f"{path.name}.rejected.ndjson")

    def begin(self) -> Progress:
        """Where to go on: at the beginning, unless an interrupted run of the same file left its place."""
        progress = self._read()
        with self.report.open("ab") as report:
            report.truncate(progress.report_bytes)
        return progress

    def _read(self) -> Progress:
        try:
            known: Any = json.loads(self._progress.read_text(encoding="utf-8"))
            if known["file"] != self._file:
                return Progress()
            return Progress(**{field.name: int(known[field.name]) for field in fields(Progress)})
        except (OSError, ValueError, TypeError, KeyError):
            return Progress()

    def advance(self, progress: Progress, rejected: Sequence[dict[str, object]]) -> Progress:
        """Writes rejected rows and then the new place down; a kill in between leaves the place before."""
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rejected)
        if lines:
            with self.report.open("ab") as report:
                report.write(lines)
                _to_disk(report.fileno())
        progress = replace(progress, report_bytes=progress.report_bytes + len(lines))
        beside = self._progress.with_name(f"{self._progress.name}.new")
        with beside.open("w", encoding="utf-8") as file:
            json.dump({"file": self._file, **asdict(progress)}, file)
            file.flush()
            _to_disk(file.fileno())
        beside.replace(self._progress)
        return progress

    def finish(self, progress: Progress) -> None:
        """The file is sent; the report stays if it says anything."""
        if not progress.report_bytes:
            self.report.unlink(missing_ok=True)
        self._progress.unlink(missing_ok=True)


def _to_disk(descriptor: int) -> None:
    os.fsync(descriptor)
