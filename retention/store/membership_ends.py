"""Store: announced ends of memberships, what the person was told, and how far the changes of accounts were read."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.database import insert_into
from retention.rules.membership_notices import KnownEnd, Notice
from retention.store.tables import change_position, membership_end

_SOURCE = "homeserver"


@dataclass(frozen=True, slots=True)
class EndOfPerson:
    """A person's announced end; ``id`` names it in messages' keys, ``invited_for`` the day that she was invited for."""

    id: str
    user_id: str
    end: KnownEnd
    invited_for: date | None


class MembershipEnds:
    """Announced ends in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def position(self) -> int:
        """Up to which change of accounts everything was applied, 0 at first."""
        query = sa.select(change_position.c.next).where(change_position.c.source == _SOURCE)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

    async def move_to(self, position: int) -> None:
        """Everything before ``position`` is applied."""
        row = insert_into(self._engine, change_position).values(source=_SOURCE, next=position)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["source"], set_={"next": position}))

    async def announced(self, user_id: str, ends_on: date) -> None:
        """The membership will end on a day, or on another one than was said before."""
        row = insert_into(self._engine, membership_end).values(
            id=secrets.token_hex(12), user_id=user_id, ends_on=ends_on
        )
        async with self._engine.begin() as connection:
            await connection.execute(
                row.on_conflict_do_update(index_elements=["user_id"], set_={"ends_on": row.excluded.ends_on})
            )

    async def taken_back(self, user_id: str) -> None:
        """The membership goes on after all; who was told nothing of its end is told nothing of that either."""
        of_person = membership_end.c.user_id == user_id
        async with self._engine.begin() as connection:
            await connection.execute(membership_end.delete().where(of_person, membership_end.c.told_day.is_(None)))
            await connection.execute(membership_end.update().where(of_person).values(ends_on=None))

    async def forget(self, user_id: str) -> None:
        """Nobody is left to be told anything."""
        async with self._engine.begin() as connection:
            await connection.execute(membership_end.delete().where(membership_end.c.user_id == user_id))

    async def all(self) -> list[EndOfPerson]:
        """Every end that is known, those of today first."""
        query = sa.select(membership_end).order_by(membership_end.c.ends_on, membership_end.c.id)
        async with self._engine.connect() as connection:
            return [
                EndOfPerson(
                    row.id, row.user_id, KnownEnd(row.ends_on, row.told_day, row.told_days_before), row.invited_for
                )
                for row in await connection.execute(query)
            ]

    async def invited(self, end_id: str, day: date | None) -> None:
        """The person was invited to read the notice about a day; None if the homeserver did not take that."""
        await self._update(end_id, invited_for=day)

    async def told(self, end_id: str, notice: Notice) -> None:
        """The person was sent a notice; that the membership goes on is the last one."""
        if notice.ends_on is not None:
            await self._update(end_id, told_day=notice.ends_on, told_days_before=notice.days_before)
            return
        async with self._engine.begin() as connection:
            # An end that was announced meanwhile stays to be told.
            gone = sa.and_(membership_end.c.id == end_id, membership_end.c.ends_on.is_(None))
            await connection.execute(membership_end.delete().where(gone))

    async def _update(self, end_id: str, **values: object) -> None:
        async with self._engine.begin() as connection:
            await connection.execute(membership_end.update().where(membership_end.c.id == end_id).values(**values))
