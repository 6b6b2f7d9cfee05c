"""One transaction that changes practices: their rows, the reachable set and the audit log, all or nothing.

It begins by holding the directory's version, so that changes come one after the other and become visible in the order
of their versions, whichever process makes them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.rules.audit_chain import AuditEntry, AuditHead, entry_hash
from directory_service.rules.practice import Practice, reachable_addresses
from directory_service.store.practice_rows import as_row
from directory_service.store.tables import (
    audit,
    directory_version,
    open_address,
    page_session,
    practice,
    reachable_account,
    sign_in_code,
)
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into


@dataclass(frozen=True, slots=True)
class Change:
    """What happened to one practice.

    Attributes:
        before: the practice as it is stored; None if it is new.
        after: as it shall be; its version is given when it is written.
        what: the audit log's word for it.
        by: who did it.
    """

    before: Practice | None
    after: Practice
    what: str
    by: str


class Changing:
    """The open transaction. ``connection`` reads what nobody else can change until it ends."""

    def __init__(self, engine: AsyncEngine, connection: AsyncConnection, held: sa.Row[tuple[int, ...]]) -> None:
        self._engine = engine
        self.connection = connection
        self._held: dict[str, Any] = dict(held._mapping)

    @property
    def head(self) -> AuditHead:
        """Where the audit log ends."""
        return AuditHead(self._held["audit_entries"], self._held["audit_head"])

    async def write(self, changes: Sequence[Change], now: datetime) -> list[Practice]:
        """Writes changes of different practices, and everything that follows from them.

        Returns:
            The practices with their new versions.
        """
        first = self._held["practices"] + 1
        written = [replace(change.after, version=first + place) for place, change in enumerate(changes)]
        self._held["practices"] += len(changes)
        await self._write_rows(changes, written)
        await self._write_reachable(changes)
        await self._end_sessions(changes)
        await self._write_audit(changes, now)
        await self.connection.execute(directory_version.update().values(self._held))
        return written

    async def _write_rows(self, changes: Sequence[Change], written: Sequence[Practice]) -> None:
        new: list[dict[str, Any]] = []
        known: list[dict[str, Any]] = []
        for change, after in zip(changes, written, strict=True):
            (known if change.before else new).append(as_row(after))
        if new:
            await self.connection.execute(practice.insert(), new)
        if known:
            this = practice.c.telematik_id == sa.bindparam("this")
            values: dict[str, Any] = {column: sa.bindparam(column) for column in known[0] if column != "telematik_id"}
            rows = [row | {"this": row.pop("telematik_id")} for row in known]
            await self.connection.execute(practice.update().where(this).values(values), rows)

    async def _write_reachable(self, changes: Sequence[Change]) -> None:
        touched: set[str] = set()
        come, gone = [], []
        reached = await self._reached([change.after.telematik_id for change in changes])
        for change in changes:
            before = reached.get(change.after.telematik_id, set())
            after = reachable_addresses(change.after)
            touched |= before ^ after
            come += [{"telematik_id": change.after.telematik_id, "user_id": user} for user in sorted(after - before)]
            gone += [{"this": change.after.telematik_id, "address": user} for user in sorted(before - after)]
        if gone:
            leaving = open_address.delete().where(
                open_address.c.telematik_id == sa.bindparam("this"), open_address.c.user_id == sa.bindparam("address")
            )
            await self.connection.execute(leaving, gone)
        if come:
            await self.connection.execute(open_address.insert(), come)
        if touched:
            await self._move_versions(sorted(touched))

    async def _move_versions(self, touched: Sequence[str]) -> None:
        """Gives each address that began or ceased to be reachable a version; practices may share one."""
        is_open = await self._users(sa.select(open_address.c.user_id).where(open_address.c.user_id.in_(touched)))
        was_open = await self._users(
            sa.select(reachable_account.c.user_id).where(
                reachable_account.c.user_id.in_(touched), reachable_account.c.reachable
            )
        )
        rows = []
        for user in touched:
            if (user in is_open) != (user in was_open):
                self._held["reachable"] += 1
                rows.append({"user_id": user, "reachable": user in is_open, "version": self._held["reachable"]})
        if rows:
            adding = insert_into(self._engine, reachable_account)
            new = {"reachable": adding.excluded.reachable, "version": adding.excluded.version}
            await self.connection.execute(
                adding.on_conflict_do_update(index_elements=[reachable_account.c.user_id], set_=new), rows
            )

    async def _end_sessions(self, changes: Sequence[Change]) -> None:
        """Ends what stands on an epoch that is over."""
        over = [
            change.before.user_id
            for change in changes
            if change.before and change.before.user_id and change.before.epoch != change.after.epoch
        ]
        for table in (page_session, sign_in_code) if over else ():
            await self.connection.execute(table.delete().where(table.c.user_id.in_(over)))

    async def _reached(self, telematik_ids: Sequence[str]) -> dict[str, set[str]]:
        """The addresses at which practices are reached now, as the table says; a profile may not be readable."""
        reached: dict[str, set[str]] = {}
        query = sa.select(open_address).where(open_address.c.telematik_id.in_(telematik_ids))
        for row in await self.connection.execute(query):
            reached.setdefault(row.telematik_id, set()).add(row.user_id)
        return reached

    async def _users(self, query: sa.Select[Any]) -> frozenset[str]:
        return frozenset((await self.connection.scalars(query)).all())

    async def _write_audit(self, changes: Iterable[Change], now: datetime) -> None:
        rows = []
        for change in changes:
            consent = change.after.consent
            entry = AuditEntry(
                number=self._held["audit_entries"] + 1,
                telematik_id=change.after.telematik_id,
                at=to_milliseconds(now),
                what=change.what,
                by=change.by,
                consent_text=consent.text_version if consent else None,
            )
            self._held["audit_entries"] = entry.number
            self._held["audit_head"] = entry_hash(self._held["audit_head"], entry)
            rows.append(
                {
                    "id": entry.number,
                    "telematik_id": entry.telematik_id,
                    "at": entry.at,
                    "what": entry.what,
                    "by": entry.by,
                    "consent_text": entry.consent_text,
                    "hash": self._held["audit_head"],
                }
            )
        await self.connection.execute(audit.insert(), rows)


@asynccontextmanager
async def changing(engine: AsyncEngine) -> AsyncIterator[Changing]:
    """Opens a transaction that changes practices; it is committed at the end, and undone by any exception."""
    columns = [column for column in directory_version.c if column.name not in {"id", "checked_by"}]
    holding = directory_version.update().values(id=directory_version.c.id).returning(*columns)
    async with engine.begin() as connection:
        yield Changing(engine, connection, (await connection.execute(holding)).one())
