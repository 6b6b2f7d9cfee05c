"""Store: the rooms in which the service account speaks with insured people, and invitations to further ones."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix import Invitation
from retention.store.tables import invitation, service_room


@dataclass(frozen=True, slots=True)
class ServiceRoom:
    """A person's service room; ``room_id`` is None until the homeserver has made it."""

    alias: str
    room_id: str | None


class ServiceRooms:
    """Service rooms and invitations in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def reserve(self, user_id: str, now: datetime) -> ServiceRoom:
        """The person's newest service room, or a new one with a random alias that identifies nobody."""
        query = (
            sa.select(service_room.c.alias, service_room.c.room_id)
            .where(service_room.c.user_id == user_id)
            .order_by(service_room.c.made_at.desc())
            .limit(1)
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(query)).one_or_none()
            if row is not None:
                return ServiceRoom(row.alias, row.room_id)
            alias = f"service-{secrets.token_hex(12)}"
            await connection.execute(
                service_room.insert().values(alias=alias, user_id=user_id, made_at=to_milliseconds(now))
            )
            return ServiceRoom(alias, None)

    async def made(self, alias: str, room_id: str) -> None:
        """Notes the room that the homeserver made under an alias."""
        async with self._engine.begin() as connection:
            await connection.execute(service_room.update().where(service_room.c.alias == alias).values(room_id=room_id))

    async def person_of(self, room_id: str) -> str | None:
        """The insured person whose service room this is."""
        query = sa.select(service_room.c.user_id).where(service_room.c.room_id == room_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def note_invitation(self, received: Invitation) -> None:
        """Stores an invitation, so that it is decided even if the process is killed."""
        row = insert_into(self._engine, invitation).values(room_id=received.room_id, inviter=received.inviter)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing())

    async def invitations(self) -> list[Invitation]:
        """Invitations that are not decided yet."""
        async with self._engine.connect() as connection:
            return [Invitation(row.room_id, row.inviter) for row in await connection.execute(sa.select(invitation))]

    async def adopt(self, accepted: Invitation, now: datetime) -> None:
        """Makes the room that a person opened her newest service room; doing so twice changes nothing."""
        row = insert_into(self._engine, service_room).values(
            alias=f"service-{secrets.token_hex(12)}",
            user_id=accepted.inviter,
            room_id=accepted.room_id,
            made_at=to_milliseconds(now),
        )
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_nothing())

    async def decided(self, room_id: str) -> None:
        """The invitation needs nothing more."""
        async with self._engine.begin() as connection:
            await connection.execute(invitation.delete().where(invitation.c.room_id == room_id))
