"""The national directory's resources as they were last told, and which entries a change of them concerns."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.rules.told_resource import Told, is_entry_point
from directory_service.store.import_runs import FaultRow, ImportRun, ImportRuns, Phase, add_faults
from directory_service.store.tables import vzd_link, vzd_resource, vzd_touched
from messenger_core.database import insert_into

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class Statement:
    """What was told, and where it stood: file and line or entry."""

    told: Told
    source: str


class NationalDirectory:
    """Takes statements in; a later one of the same resource replaces an earlier one."""

    def __init__(self, engine: AsyncEngine, runs: ImportRuns) -> None:
        self._engine = engine
        self._runs = runs

    async def take(self, run: ImportRun, statements: Sequence[Statement], faults: Iterable[FaultRow]) -> None:
        """Takes some statements, and how far the run's files are read with them.

        Raises:
            TakenOver: if another process goes on with the run.
        """
        newest = {statement.told.reference: statement for statement in statements}
        async with self._runs.step(run) as connection:
            await add_faults(connection, run, faults)
            known = await _known(connection, newest)
            gone = {reference for reference, one in newest.items() if one.told.body is None}
            there = [one for reference, one in newest.items() if reference not in gone]
            changed = [one for one in there if known.get(one.told.reference, ("", None))[0] != one.told.body]
            await self._touch(connection, [*(one.told.reference for one in changed), *(gone & set(known))], known)
            await self._touch_owners(connection, {one.told.owner for one in changed if one.told.owner})
            await _delete(connection, gone & set(known))
            await self._write(connection, run, there)
            await self._link(connection, changed)
            run.counts["told"] += len(statements)

    async def missing(self, run: ImportRun) -> tuple[int, int]:
        """How many Organizations and Practitioners a full export did not tell any more, and how many there are."""
        owners = sa.select(sa.func.count()).where(vzd_resource.c.owner == vzd_resource.c.reference)
        async with self._engine.connect() as connection:
            gone = (await connection.execute(owners.where(vzd_resource.c.run < run.number))).scalar_one()
            return int(gone), int((await connection.execute(owners)).scalar_one())

    async def remove_some(self, run: ImportRun) -> bool:
        """Removes some of what a full export did not tell any more; False when nothing is left.

        Raises:
            TakenOver: if another process goes on with the run.
        """
        old = sa.select(vzd_resource.c.reference).where(vzd_resource.c.run < run.number).limit(_AT_ONCE)
        async with self._runs.step(run) as connection:
            gone = set((await connection.scalars(old)).all())
            if not gone:
                run.phase = Phase.APPLYING
                return False
            await self._touch(connection, gone, await _known(connection, gone))
            await _delete(connection, gone)
            return True

    async def _touch(
        self, connection: AsyncConnection, references: Collection[str], known: dict[str, tuple[str, str | None]]
    ) -> None:
        """Notes the entries that some resources, as they were known, belong to."""
        await self._touch_owners(
            connection, {owner for this in references if (owner := known.get(this, ("", None))[1])}
        )
        linked = [reference for reference in references if reference.startswith(("Location/", "Endpoint/"))]
        if linked:
            owners = (
                sa.select(vzd_resource.c.owner)
                .distinct()
                .join(vzd_link, vzd_link.c.service == vzd_resource.c.reference)
                .where(vzd_link.c.target.in_(linked), vzd_resource.c.owner.is_not(None))
            )
            adding = insert_into(self._engine, vzd_touched).from_select(["owner"], owners)
            await connection.execute(adding.on_conflict_do_nothing())

    async def _touch_owners(self, connection: AsyncConnection, owners: Iterable[str]) -> None:
        rows = [{"owner": owner} for owner in owners]
        if rows:
            await connection.execute(insert_into(self._engine, vzd_touched).on_conflict_do_nothing(), rows)

    async def _write(self, connection: AsyncConnection, run: ImportRun, statements: Sequence[Statement]) -> None:
        rows = [
            {
                "reference": one.told.reference,
                "body": one.told.body,
                "owner": one.told.owner,
                "run": run.number,
                "source": one.source,
            }
            for one in statements
        ]
        if rows:
            adding = insert_into(self._engine, vzd_resource)
            new = {name: adding.excluded[name] for name in ("body", "owner", "run", "source")}
            await connection.execute(
                adding.on_conflict_do_update(index_elements=[vzd_resource.c.reference], set_=new), rows
            )

    async def _link(self, connection: AsyncConnection, statements: Sequence[Statement]) -> None:
        services = [one.told for one in statements if one.told.is_entry_point]
        if not services:
            return
        known = vzd_link.c.service.in_([told.reference for told in services])
        await connection.execute(vzd_link.delete().where(known))
        rows = [{"target": target, "service": told.reference} for told in services for target in set(told.targets)]
        if rows:
            await connection.execute(vzd_link.insert(), rows)


async def _known(connection: AsyncConnection, references: Collection[str]) -> dict[str, tuple[str, str | None]]:
    """Body and owner of those resources that are known."""
    query = sa.select(vzd_resource.c.reference, vzd_resource.c.body, vzd_resource.c.owner)
    rows = await connection.execute(query.where(vzd_resource.c.reference.in_(list(references))))
    return {row.reference: (row.body, row.owner) for row in rows}


async def _delete(connection: AsyncConnection, references: Collection[str]) -> None:
    if not references:
        return
    services = [reference for reference in references if is_entry_point(reference)]
    if services:
        await connection.execute(vzd_link.delete().where(vzd_link.c.service.in_(services)))
    await connection.execute(vzd_resource.delete().where(vzd_resource.c.reference.in_(list(references))))
