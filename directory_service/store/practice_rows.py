"""Reads rows of ``practice`` and ``practice_specialty`` as practices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from directory_service.rules.practice import Practice, PracticeState
from directory_service.rules.profile import Address, Messenger, Profile
from directory_service.store.tables import practice, practice_specialty


async def as_practices(connection: AsyncConnection, rows: Sequence[sa.RowMapping]) -> list[Practice]:
    """The practices of rows of ``practice``, in their order."""
    specialties: dict[str, list[str]] = {row["telematik_id"]: [] for row in rows}
    if rows:
        found = await connection.execute(
            sa.select(practice_specialty)
            .where(practice_specialty.c.telematik_id.in_(specialties))
            .order_by(practice_specialty.c.place)
        )
        for specialty in found:
            specialties[specialty.telematik_id].append(specialty.code)
    return [_practice(row, tuple(specialties[row["telematik_id"]])) for row in rows]


async def one_practice(connection: AsyncConnection, condition: sa.ColumnElement[bool]) -> Practice | None:
    """The practice that fits a condition on a unique column, if there is one."""
    row = (await connection.execute(sa.select(practice).where(condition))).mappings().one_or_none()
    return (await as_practices(connection, [row]))[0] if row else None


def _practice(row: Any, specialties: tuple[str, ...]) -> Practice:
    located = row["city"] is not None
    return Practice(
        telematik_id=row["telematik_id"],
        resource_id=row["resource_id"],
        user_id=row["user_id"],
        state=PracticeState(row["state"]),
        profile=Profile(
            name=row["name"],
            specialties=specialties,
            address=Address(row["line"], row["postcode"], row["city"]) if located else None,
            messengers=(Messenger(row["user_id"]),),
        ),
    )
