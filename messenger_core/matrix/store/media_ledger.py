"""Store: every file that a service sent or received, so that it can be erased when its time has come."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TypeGuard

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from messenger_core.matrix.store.tables import session_tables

# Server name and media id, in the characters that a path may hold; anything else, like a server "..", leads elsewhere.
_MEDIA_ADDRESS = re.compile(r"mxc://[A-Za-z0-9\[][A-Za-z0-9.:\[\]-]{0,254}/[A-Za-z0-9_-]{1,255}")


def is_media_address(value: object) -> TypeGuard[str]:
    """Whether a value of an event is an address of a file (``mxc://SERVER/ID``) that can be asked for safely."""
    return isinstance(value, str) and _MEDIA_ADDRESS.fullmatch(value) is not None


class MediaLedger:
    """Media addresses (``mxc://…``), the room that uses each, and when it was used last."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._media = session_tables(sa.MetaData()).media

    async def record(self, mxc: str, room_id: str, used_at: datetime) -> None:
        """Notes a file; a later use moves its time, so that no younger message loses it.

        What is no media address is not noted: anybody can write anything into an event.
        """
        if not is_media_address(mxc):
            return
        moment = to_milliseconds(used_at)
        row = insert_into(self._engine, self._media).values(mxc=mxc, room_id=room_id, used_at=moment)
        later = row.on_conflict_do_update(
            index_elements=["mxc"],
            set_={"used_at": moment, "room_id": room_id},
            where=self._media.c.used_at < moment,
        )
        async with self._engine.begin() as connection:
            await connection.execute(later)

    async def reserve(self, mxc: str, room_id: str, used_at: datetime, *, user_id: str) -> None:
        """Notes an address that the homeserver gave to an account of ours, before anything is uploaded to it."""
        changed = {"room_id": room_id, "used_at": to_milliseconds(used_at), "reserved_for": user_id}
        row = insert_into(self._engine, self._media).values(mxc=mxc, **changed)
        async with self._engine.begin() as connection:
            await connection.execute(row.on_conflict_do_update(index_elements=["mxc"], set_=changed))

    async def reservation_ended(self, mxc: str) -> None:
        """Notes that an address has its file, or will never have one."""
        async with self._engine.begin() as connection:
            await connection.execute(self._media.update().where(self._media.c.mxc == mxc).values(reserved_for=None))

    async def reserved(self, user_id: str) -> list[str]:
        """The addresses given to an account to which nothing was uploaded yet, oldest first."""
        query = (
            sa.select(self._media.c.mxc).where(self._media.c.reserved_for == user_id).order_by(self._media.c.used_at)
        )
        async with self._engine.connect() as connection:
            return list((await connection.execute(query)).scalars())

    async def used_before(self, moment: datetime) -> dict[str, list[str]]:
        """Room id to the addresses last used there before ``moment``."""
        query = (
            sa.select(self._media.c.room_id, self._media.c.mxc)
            .where(self._media.c.used_at < to_milliseconds(moment))
            .order_by(self._media.c.used_at)
        )
        rooms: dict[str, list[str]] = {}
        async with self._engine.connect() as connection:
            for row in await connection.execute(query):
                rooms.setdefault(row.room_id, []).append(row.mxc)
        return rooms

    async def forget_before(self, moment: datetime) -> int:
        """Deletes the rows of files last used before ``moment`` and returns their number."""
        async with self._engine.begin() as connection:
            result = await connection.execute(
                self._media.delete().where(self._media.c.used_at < to_milliseconds(moment))
            )
            return result.rowcount
