"""Puts entries of the national directory together and makes practices of them: rows, log and progress at once."""

from __future__ import annotations

import json
import logging
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.rules.imported_entry import (
    IMPORTED_BY,
    OPT_OUT,
    Hidden,
    ImportedEntry,
    ImportRules,
    after_import,
    read_entry,
    references,
    without_opt_out,
)
from directory_service.rules.opening_hours import BERLIN
from directory_service.rules.practice import PracticeState
from directory_service.rules.reading.element import Fault
from directory_service.store.import_runs import FaultRow, ImportRun, Phase, add_faults, hold, keep
from directory_service.store.practice_changes import Change, changing
from directory_service.store.practice_rows import COLUMNS, as_practice, practices_by_id
from directory_service.store.tables import practice, vzd_entry, vzd_fault, vzd_resource, vzd_run, vzd_touched
from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

_AT_ONCE = 1000


@dataclass(frozen=True, slots=True)
class _Resource:
    """A resource as it was last told, whose it is, and where it stood."""

    body: dict[str, Any]
    owner: str | None
    source: str


@dataclass(slots=True)
class _Batch:
    """Some entries as they are put together."""

    entries: dict[str, ImportedEntry] = field(default_factory=dict)
    faults: list[FaultRow] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def take(self, owner: str, entry: ImportedEntry | None, faults: Sequence[Fault], source: str) -> None:
        """Takes an entry, or that it is rejected, and what could not be taken over."""
        self.faults += [FaultRow(source, owner, fault.expression, fault.text, entry is None, owner) for fault in faults]
        if entry is None:
            self.counts["rejected"] += 1
        else:
            self.entries[owner] = entry


class EntryImport:
    """Makes practices of entries."""

    def __init__(self, engine: AsyncEngine, rules: ImportRules) -> None:
        self._engine = engine
        self._rules = rules

    async def apply_some(self, run: ImportRun, now: datetime) -> int:
        """Takes some of the entries that changed; how many. 0 when nothing is left, the run is done then.

        Raises:
            TakenOver: if another process goes on with the run.
        """
        some = sa.select(vzd_touched.c.owner).order_by(vzd_touched.c.owner).limit(_AT_ONCE)
        async with changing(self._engine) as change:
            connection = change.connection
            await hold(connection, run)
            owners = list((await connection.scalars(some)).all())
            if owners:
                await connection.execute(vzd_fault.delete().where(vzd_fault.c.owner.in_(owners)))
                changes = await self._changes(connection, run, owners, now)
                if changes:
                    await change.write(changes, now)
                await connection.execute(vzd_touched.delete().where(vzd_touched.c.owner.in_(owners)))
            else:
                run.phase = Phase.DONE
            await keep(connection, run)
            return len(owners)

    async def end_opt_out(self, now: datetime) -> int:
        """Hides all practices that the opt-out model shows; to be called where the operator does not have it.

        Returns:
            How many there were.
        """
        shown = sa.select(*COLUMNS).where(
            practice.c.state == PracticeState.OPTED_IN.value, practice.c.consent_by == OPT_OUT
        )
        hidden = 0
        while True:
            async with changing(self._engine) as change:
                rows = await change.connection.execute(shown.order_by(practice.c.version).limit(_AT_ONCE))
                found = [as_practice(row) for row in rows]
                if not found:
                    return hidden
                changes = [Change(one, without_opt_out(one), "opt-out-ended", OPT_OUT) for one in found]
                await change.write(changes, now)
                # A later import under the model must look at all entries again.
                await change.connection.execute(vzd_run.update().values(opt_out=False))
                hidden += len(found)

    async def _changes(
        self, connection: AsyncConnection, run: ImportRun, owners: Sequence[str], now: datetime
    ) -> list[Change]:
        batch = await self._read(connection, owners, now)
        hidden = {row.telematik_id: _hidden_in(row) for row in await _told_before(connection, owners, batch)}
        await self._without_duplicates(connection, batch)
        said: dict[str, ImportedEntry | None] = dict.fromkeys(hidden)
        said |= {entry.telematik_id: entry for entry in batch.entries.values()}
        known = await practices_by_id(connection, said)
        changes = []
        for telematik_id, entry in said.items():
            before = known.get(telematik_id)
            after = after_import(
                before,
                entry,
                hidden.get(telematik_id, Hidden()),
                now,
                telematik_id=telematik_id,
                opt_out=self._rules.opt_out,
            )
            if after is not None:
                changes.append(Change(before, after.practice, after.what, IMPORTED_BY))
            batch.counts[after.what if after else "unchanged"] += 1
        await _write_entries(connection, batch.entries)
        await add_faults(connection, run, batch.faults)
        run.counts += batch.counts
        return changes

    async def _read(self, connection: AsyncConnection, owners: Sequence[str], now: datetime) -> _Batch:
        people = await _resources(connection, vzd_resource.c.reference.in_(owners))
        services = await _resources(
            connection, vzd_resource.c.owner.in_(owners), vzd_resource.c.owner != vzd_resource.c.reference
        )
        points: dict[str | None, list[str]] = defaultdict(list)
        for reference, service in sorted(services.items()):
            points[service.owner].append(reference)
        targets = {target for service in services.values() for target in references(service.body)}
        known = await _resources(connection, vzd_resource.c.reference.in_(targets)) if targets else {}
        linked = {reference: resource.body for reference, resource in known.items()}
        batch, today = _Batch(), now.astimezone(BERLIN).date()
        for owner in owners:
            own = [(reference, services[reference].body) for reference in points[owner]]
            if owner in people:
                entry, faults = self._entry((owner, people[owner].body), own, linked, today)
                batch.take(owner, entry, faults, people[owner].source)
            elif own:
                batch.take(owner, None, [_without_owner(owner)], services[own[0][0]].source)
        return batch

    def _entry(
        self,
        owner: tuple[str, dict[str, Any]],
        services: Sequence[tuple[str, dict[str, Any]]],
        linked: Mapping[str, dict[str, Any]],
        today: date,
    ) -> tuple[ImportedEntry | None, list[Fault]]:
        """The entry, or why it is rejected; whatever one entry holds, the others are taken over."""
        try:
            return read_entry(owner, services, linked, self._rules, today)
        except Exception as fault:  # noqa: BLE001 - what nobody thought of must not stop the import
            logger.error("an entry could not be read: %s", fault_without_text(fault))  # noqa: TRY400 - it may hold names
            kind = owner[0].partition("/")[0]
            return None, [Fault(kind, f"the entry cannot be read ({type(fault).__name__}); the log says where")]

    async def _without_duplicates(self, connection: AsyncConnection, batch: _Batch) -> None:
        """Rejects entries whose Telematik-ID another entry has: which of them is right, nobody here can know."""
        wanted = [entry.telematik_id for entry in batch.entries.values()]
        query = sa.select(vzd_entry.c.telematik_id).where(vzd_entry.c.telematik_id.in_(wanted))
        taken = set((await connection.scalars(query)).all())
        for owner, entry in sorted(batch.entries.items()):
            if entry.telematik_id in taken:
                del batch.entries[owner]
                query = sa.select(vzd_resource.c.source).where(vzd_resource.c.reference == owner)
                source = (await connection.execute(query)).scalar_one()
                fault = Fault(f"{owner.partition('/')[0]}.identifier", "another entry has this Telematik-ID")
                batch.take(owner, None, [fault], source)
            taken.add(entry.telematik_id)


async def _told_before(connection: AsyncConnection, owners: Sequence[str], batch: _Batch) -> list[Any]:
    """What entries were before, which is forgotten with that; also those whose Telematik-ID went to a new resource."""
    moved = sa.and_(
        vzd_entry.c.telematik_id.in_([entry.telematik_id for entry in batch.entries.values()]),
        vzd_entry.c.owner.not_in(sa.select(vzd_resource.c.reference)),
    )
    before = list(await connection.execute(sa.select(vzd_entry).where(sa.or_(vzd_entry.c.owner.in_(owners), moved))))
    await connection.execute(vzd_entry.delete().where(vzd_entry.c.owner.in_([row.owner for row in before])))
    return before


def _without_owner(owner: str) -> Fault:
    """An entry point leads to nothing."""
    element = "HealthcareService.providedBy"
    if owner.startswith("Practitioner/"):
        element = "PractitionerRole.practitioner"
    return Fault(f"{element}.reference", "the import does not have what it leads to")


def _hidden_in(row: Any) -> Hidden:
    return Hidden(row.hidden_entry, frozenset(json.loads(row.hidden_addresses)))


async def _resources(connection: AsyncConnection, *conditions: sa.ColumnElement[bool]) -> dict[str, _Resource]:
    rows = await connection.execute(sa.select(vzd_resource).where(*conditions))
    return {row.reference: _Resource(orjson.loads(row.body), row.owner, row.source) for row in rows}


async def _write_entries(connection: AsyncConnection, entries: dict[str, ImportedEntry]) -> None:
    rows = [
        {
            "owner": owner,
            "telematik_id": entry.telematik_id,
            "hidden_entry": entry.hidden.entry,
            "hidden_addresses": json.dumps(sorted(entry.hidden.addresses)),
        }
        for owner, entry in entries.items()
    ]
    if rows:
        await connection.execute(vzd_entry.insert(), rows)
