"""``python -m directory_service import``: takes an export or a delta of the national directory (VZD) in."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from directory_service.adapters.export_files import ExportLimits, ExportUnreadable, is_export, read_export
from directory_service.rules.reading.element import Fault
from directory_service.store.entry_import import EntryImport
from directory_service.store.import_runs import (
    FaultRow,
    ImportFile,
    ImportRun,
    ImportRuns,
    Phase,
    TakenOver,
    UnfinishedImport,
)
from directory_service.store.national_directory import NationalDirectory, Statement

_BATCH = 2000
_SUSPICIOUS_SHARE = 0.1
_SHOWN_FAULTS = 20
_WORDS = {
    "imported": "new",
    "import-changed": "changed",
    "import-removed": "removed",
    "import-hidden": "joined practices newly hidden from insured people",
    "unchanged": "unchanged",
    "rejected": "rejected",
}


class ImportStopped(Exception):  # noqa: N818 - reads as what happened
    """The import cannot go on; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class ImportRequest:
    """What the operator asked for.

    Attributes:
        paths: the files.
        full: whether they are a whole export, or changes alone.
        restart: whether an unfinished import of other files is given up.
        accept_removals: whether many entries may be missing in a whole export.
        report: the file that gets everything that could not be taken over.
    """

    paths: Sequence[Path]
    full: bool = True
    restart: bool = False
    accept_removals: bool = False
    report: Path | None = None


class ImportCommand:
    """Runs one import to its end, or on from where another process stopped."""

    def __init__(
        self, runs: ImportRuns, directory: NationalDirectory, entries: EntryImport, limits: ExportLimits
    ) -> None:
        self._runs = runs
        self._directory = directory
        self._entries = entries
        self._limits = limits

    async def run(self, request: ImportRequest, *, opt_out: bool) -> None:
        """Imports, and says what happened.

        Raises:
            ImportStopped: if it cannot go on; what was done stays done, and can be continued.
        """
        if request.full and not request.paths:
            raise ImportStopped("a whole export needs files; without any, only --delta is possible")
        files = [_file(path) for path in request.paths]
        try:
            run = await self._runs.begin(files, full=request.full, opt_out=opt_out, restart=request.restart)
            if not opt_out:
                await self._entries.end_opt_out(datetime.now(UTC))
            with _progress() as progress:
                await self._read(run, progress)
                await self._remove(run, progress, accept_removals=request.accept_removals)
                await self._apply(run, progress)
        except UnfinishedImport as unfinished:
            raise ImportStopped(
                f"another import is unfinished ({', '.join(Path(path).name for path in unfinished.paths) or 'no files'}"
                "); give the same files, unchanged, to go on with it, or --restart to give it up"
            ) from None
        except TakenOver:
            raise ImportStopped("another process goes on with this import; this one did nothing more") from None
        except ExportUnreadable as fault:
            text = f"{fault}; nothing was removed: get the file anew and import it with --restart"
            raise ImportStopped(text) from None
        happened = [f"{run.counts[key]} {word}" for key, word in _WORDS.items() if run.counts[key]]
        print(  # noqa: T201 - what the operator waits for
            f"import {run.number} is done: {run.counts['told']} resources; {', '.join(happened) or 'nothing changed'}"
        )
        if request.report is not None:
            await self._write_report(request.report)
        else:
            await self._show_faults()

    async def _write_report(self, path: Path) -> None:
        path.touch(mode=0o600)
        with path.open("wb") as file:
            async for fault in self._runs.faults():
                line = {
                    "source": fault.source,
                    "resource": fault.resource,
                    "rejected": fault.rejected,
                    "expression": fault.expression,
                    "reason": fault.text,
                }
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))

    async def _show_faults(self) -> None:
        number = 0
        async for fault in self._runs.faults():
            number += 1
            if number <= _SHOWN_FAULTS:
                what = "rejected" if fault.rejected else "left out"
                where = f"{fault.source} {fault.resource} {fault.expression}"
                print(f"{what}: {where}: {fault.text}", file=sys.stderr)  # noqa: T201 - as above
        if number > _SHOWN_FAULTS:
            print(f"… and {number - _SHOWN_FAULTS} more; --report FILE writes them all", file=sys.stderr)  # noqa: T201

    async def _read(self, run: ImportRun, progress: Progress) -> None:
        if run.phase is not Phase.READING:
            return
        total = sum(file.size for file in run.files)
        task = progress.add_task("reading", total=total)
        statements: list[Statement] = []
        faults: list[FaultRow] = []
        pending = 0
        for place in range(run.at, len(run.files)):
            file, run.at = run.files[place], place
            name = Path(file.path).name
            for piece in read_export(Path(file.path), self._limits, file.number, file.offset):
                file.number, file.offset = piece.number, piece.offset
                source = f"{name}:{piece.number}"
                for said in piece.told:
                    if isinstance(said, Fault):
                        faults.append(FaultRow(source, "", said.expression, said.text, rejected=True))
                        run.counts["rejected"] += 1
                    else:
                        statements.append(Statement(said, source))
                pending += 1
                if pending >= _BATCH:
                    await self._directory.take(run, statements, faults)
                    statements, faults, pending = [], [], 0
                    done = sum(one.size for one in run.files[:place]) + min(file.offset, file.size)
                    progress.update(task, completed=done, description=f"reading {name}, {run.counts['told']} resources")
            file.read = True
        run.phase = Phase.REMOVING if run.full else Phase.APPLYING
        await self._directory.take(run, statements, faults)
        progress.update(task, completed=total)

    async def _remove(self, run: ImportRun, progress: Progress, *, accept_removals: bool) -> None:
        if run.phase is not Phase.REMOVING:
            return
        gone, known = await self._directory.missing(run)
        if gone > known * _SUSPICIOUS_SHARE and not accept_removals:
            raise ImportStopped(
                f"{gone} of {known} entries are missing in this export, which looks like an incomplete one; nothing "
                "was removed or changed. If they are really gone, give --accept-removals; otherwise give --restart "
                "with the whole export"
            )
        task = progress.add_task("removing what is gone", total=None)
        while await self._directory.remove_some(run):
            progress.advance(task)

    async def _apply(self, run: ImportRun, progress: Progress) -> None:
        if run.phase is not Phase.APPLYING:
            return
        task = progress.add_task("putting entries together", total=await self._runs.touched())
        while some := await self._entries.apply_some(run, datetime.now(UTC)):
            progress.advance(task, some)


def _file(path: Path) -> ImportFile:
    if not is_export(path):
        raise ImportStopped(
            f"{path.name}: allowed are FHIR bundles (.json) and NDJSON (.ndjson, .jsonl), also with .gz"
        )
    try:
        known = path.resolve().stat()
    except OSError as fault:
        raise ImportStopped(f"{path.name}: it cannot be read ({fault.strerror})") from None
    return ImportFile(str(path.resolve()), known.st_size, known.st_mtime_ns)


def _progress() -> Progress:
    """On a terminal a bar; elsewhere nothing but the summary at the end."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, disable=not console.is_terminal)
