"""How far an import has come: runs, their files, and what could not be taken over."""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.store.tables import vzd_entry, vzd_fault, vzd_file, vzd_run, vzd_touched
from messenger_core.database import insert_into

_AT_ONCE = 1000


class Phase(StrEnum):
    """What a run does, one after the other."""

    READING = "reading"
    REMOVING = "removing"
    APPLYING = "applying"
    DONE = "done"
    ABANDONED = "abandoned"


class UnfinishedImport(Exception):  # noqa: N818 - reads as what it is
    """Another import, of other files, was begun and not finished.

    Attributes:
        paths: its files.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        super().__init__("an import of other files is unfinished")
        self.paths = tuple(paths)


class TakenOver(Exception):  # noqa: N818 - reads as what happened
    """Another process goes on with this run; this one has to stop."""


@dataclass(slots=True)
class ImportFile:
    """A file of a run: which one it was when the run began, and how far it is read."""

    path: str
    size: int
    modified_ns: int
    number: int = 0
    offset: int = 0
    read: bool = False

    @property
    def identity(self) -> tuple[str, int, int]:
        """What must be the same for a run to go on."""
        return self.path, self.size, self.modified_ns


@dataclass(slots=True)
class ImportRun:
    """One import.

    Attributes:
        number: of the run; later ones have greater ones.
        worker: the mark of the process that works on it.
        full: whether what its files do not have is gone.
        opt_out: whether active entries are shown without having opted in.
        phase: what is done at present.
        counts: what happened so far.
        files: in their order.
        at: the place of the file that is read.
        written: the place of the first file whose progress may not be in the database.
    """

    number: int
    worker: str
    full: bool
    opt_out: bool
    phase: Phase = Phase.READING
    counts: Counter[str] = field(default_factory=Counter)
    files: list[ImportFile] = field(default_factory=list)
    at: int = 0
    written: int = 0


@dataclass(frozen=True, slots=True)
class FaultRow:
    """What could not be taken over.

    Attributes:
        source: file and line or entry.
        resource: ``Kind/ID`` of the entry's Organization or Practitioner, or empty.
        expression: where in the resource, as FHIRPath.
        text: why; it never holds a value.
        rejected: whether the whole line or entry was rejected; otherwise this one thing was left out.
        owner: the entry that it belongs to; None of a line.
    """

    source: str
    resource: str
    expression: str
    text: str
    rejected: bool
    owner: str | None = None


class ImportRuns:
    """Runs, one after the other."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(self, files: Sequence[ImportFile], *, full: bool, opt_out: bool, restart: bool) -> ImportRun:
        """Goes on with the run that is unfinished, or begins a new one.

        Args:
            files: what to import.
            full: whether they are a whole export.
            opt_out: the operator's model.
            restart: whether an unfinished run is given up.

        Raises:
            UnfinishedImport: if one of other files is unfinished.
        """
        worker = secrets.token_hex(8)
        async with self._engine.begin() as connection:
            # The first statement writes, so that of two processes one waits here for the other.
            await connection.execute(vzd_run.update().values(id=vzd_run.c.id))
            last = await _last(connection)
            unfinished = last is not None and last.phase not in {Phase.DONE, Phase.ABANDONED}
            if last is not None and (last.opt_out != opt_out):
                await self._touch(connection, sa.select(vzd_entry.c.owner))
            if last is not None and unfinished and not restart:
                known = [file.identity for file in last.files]
                if (known, last.full) != ([file.identity for file in files], full):
                    raise UnfinishedImport([file.path for file in last.files])
                last.worker, last.opt_out = worker, opt_out
                this = vzd_run.c.id == last.number
                await connection.execute(vzd_run.update().where(this).values(worker=worker, opt_out=opt_out))
                return last
            if last is not None and unfinished:
                await connection.execute(
                    vzd_run.update().where(vzd_run.c.id == last.number).values(phase=Phase.ABANDONED, worker=worker)
                )
            run = ImportRun((last.number if last else 0) + 1, worker, full, opt_out, files=list(files))
            await self._insert(connection, run)
            return run

    async def _insert(self, connection: AsyncConnection, run: ImportRun) -> None:
        await connection.execute(vzd_fault.delete().where(vzd_fault.c.owner.is_(None)))
        # What was rejected is looked at again: a duplicate may be one no longer.
        rejected = sa.select(vzd_fault.c.owner).distinct().where(vzd_fault.c.owner.is_not(None), vzd_fault.c.rejected)
        await self._touch(connection, rejected)
        await connection.execute(vzd_file.delete())
        values = {"worker": run.worker, "full": run.full, "opt_out": run.opt_out}
        await connection.execute(
            vzd_run.insert().values(id=run.number, phase=run.phase, counts=json.dumps(run.counts), **values)
        )
        if run.files:
            await connection.execute(
                vzd_file.insert(),
                [
                    {
                        "run": run.number,
                        "place": place,
                        "path": file.path,
                        "size": file.size,
                        "modified_ns": file.modified_ns,
                        "number": file.number,
                        "offset": file.offset,
                        "read": file.read,
                    }
                    for place, file in enumerate(run.files)
                ],
            )

    async def _touch(self, connection: AsyncConnection, owners: sa.Select[Any]) -> None:
        adding = insert_into(self._engine, vzd_touched).from_select(["owner"], owners.where(sa.true()))
        await connection.execute(adding.on_conflict_do_nothing())

    @asynccontextmanager
    async def step(self, run: ImportRun) -> AsyncIterator[AsyncConnection]:
        """One transaction of a run; what it did and how far it came are committed together.

        Raises:
            TakenOver: if another process goes on with the run.
        """
        async with self._engine.begin() as connection:
            await hold(connection, run)
            yield connection
            await keep(connection, run)

    async def faults(self) -> AsyncIterator[FaultRow]:
        """Everything that could not be taken over: first what was rejected, each in the order in which it was met."""
        for rejected in (True, False):
            after = 0
            while True:
                query = sa.select(vzd_fault).where(vzd_fault.c.rejected.is_(rejected), vzd_fault.c.id > after)
                async with self._engine.connect() as connection:
                    rows = (await connection.execute(query.order_by(vzd_fault.c.id).limit(_AT_ONCE))).all()
                if not rows:
                    break
                for row in rows:
                    yield FaultRow(row.source, row.resource, row.expression, row.text, row.rejected, row.owner)
                after = rows[-1].id

    async def touched(self) -> int:
        """How many entries have to be put together anew."""
        async with self._engine.connect() as connection:
            return int((await connection.execute(sa.select(sa.func.count()).select_from(vzd_touched))).scalar_one())


async def hold(connection: AsyncConnection, run: ImportRun) -> None:
    """Keeps a run for this process until the transaction ends.

    Raises:
        TakenOver: if another process goes on with it.
    """
    this = sa.and_(vzd_run.c.id == run.number, vzd_run.c.worker == run.worker)
    if (await connection.execute(vzd_run.update().where(this).values(worker=run.worker))).rowcount == 0:
        raise TakenOver


async def keep(connection: AsyncConnection, run: ImportRun) -> None:
    """Writes how far a run has come."""
    this = vzd_run.c.id == run.number
    await connection.execute(vzd_run.update().where(this).values(phase=run.phase, counts=json.dumps(run.counts)))
    for place in range(run.written, min(run.at + 1, len(run.files))):
        one, file = sa.and_(vzd_file.c.run == run.number, vzd_file.c.place == place), run.files[place]
        await connection.execute(
            vzd_file.update().where(one).values(number=file.number, offset=file.offset, read=file.read)
        )
    run.written = run.at


async def add_faults(connection: AsyncConnection, run: ImportRun, faults: Iterable[FaultRow]) -> None:
    """Notes what could not be taken over."""
    rows = [
        {
            "run": run.number,
            "owner": fault.owner,
            "source": fault.source,
            "resource": fault.resource,
            "expression": fault.expression,
            "text": fault.text,
            "rejected": fault.rejected,
        }
        for fault in faults
    ]
    if rows:
        await connection.execute(vzd_fault.insert(), rows)


async def _last(connection: AsyncConnection) -> ImportRun | None:
    row = (await connection.execute(sa.select(vzd_run).order_by(vzd_run.c.id.desc()).limit(1))).one_or_none()
    if row is None:
        return None
    files = await connection.execute(sa.select(vzd_file).where(vzd_file.c.run == row.id).order_by(vzd_file.c.place))
    known = [ImportFile(one.path, one.size, one.modified_ns, one.number, one.offset, one.read) for one in files]
    at = sum(file.read for file in known)
    counts = Counter(json.loads(row.counts))
    return ImportRun(row.id, row.worker, row.full, row.opt_out, Phase(row.phase), counts, known, at, at)
