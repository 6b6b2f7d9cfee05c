"""Who is signed in at the pages, in whatever process: each session by the digest of what its cookie holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.store.tables import page_session
from messenger_core.calendar_periods import to_milliseconds

LIFETIME = timedelta(hours=8)
_MOST_OF_ACCOUNT = 10
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class PageSession:
    """One session.

    Attributes:
        role: at which page, ``insured`` or ``practice``.
        user_id: whose.
        epoch: of the practice when it began (``Practice.epoch``); 0 of insured people.
    """

    role: str
    user_id: str
    epoch: int


class PageSessions:
    """The table ``page_session``."""

    def __init__(self, engine: AsyncEngine, idle: timedelta) -> None:
        """``idle`` ends a session that is not used for so long."""
        self._engine = engine
        self._idle = idle

    async def add(self, digest: str, session: PageSession, now: datetime) -> None:
        """Begins a session; of those that an account has at a page, the newest ten go on."""
        table, of_account = page_session, page_session.c.user_id == session.user_id
        newest = (
            sa.select(table.c.digest)
            .where(of_account, table.c.role == session.role)
            .order_by(table.c.begun_at.desc(), table.c.digest)
            .limit(_MOST_OF_ACCOUNT)
        )
        at = to_milliseconds(now)
        async with self._engine.begin() as connection:
            await connection.execute(table.delete().where(self._is_over(now)))
            values = {"role": session.role, "user_id": session.user_id, "epoch": session.epoch}
            await connection.execute(table.insert().values(digest=digest, begun_at=at, used_at=at, **values))
            kept = (await connection.scalars(newest)).all()
            await connection.execute(
                table.delete().where(of_account, table.c.role == session.role, table.c.digest.not_in(kept))
            )

    async def use(self, digest: str, role: str, now: datetime) -> PageSession | None:
        """The session with this digest at a page, which goes on with that; None if there is none any more."""
        this = sa.and_(page_session.c.digest == digest, page_session.c.role == role, ~self._is_over(now))
        async with self._engine.connect() as connection:
            row = (await connection.execute(sa.select(page_session).where(this))).one_or_none()
        if row is None:
            return None
        # Not at every click: a write costs more than all the rest.
        if to_milliseconds(now) - row.used_at > to_milliseconds_of(self._idle) // 20:
            async with self._engine.begin() as connection:
                await connection.execute(page_session.update().where(this).values(used_at=to_milliseconds(now)))
        return PageSession(row.role, row.user_id, row.epoch)

    async def end(self, digest: str) -> None:
        """Ends one session."""
        async with self._engine.begin() as connection:
            await connection.execute(page_session.delete().where(page_session.c.digest == digest))

    async def end_of(self, user_ids: Sequence[str]) -> None:
        """Ends all sessions of some accounts."""
        for first in range(0, len(user_ids), _AT_ONCE):
            of_them = page_session.c.user_id.in_(user_ids[first : first + _AT_ONCE])
            async with self._engine.begin() as connection:
                await connection.execute(page_session.delete().where(of_them))

    async def forget_ended(self, now: datetime) -> None:
        """Removes what is over."""
        async with self._engine.begin() as connection:
            await connection.execute(page_session.delete().where(self._is_over(now)))

    def _is_over(self, now: datetime) -> sa.ColumnElement[bool]:
        return sa.or_(
            page_session.c.begun_at <= to_milliseconds(now - LIFETIME),
            page_session.c.used_at <= to_milliseconds(now - self._idle),
        )


def to_milliseconds_of(length: timedelta) -> int:
    """A length of time in milliseconds."""
    return length // timedelta(milliseconds=1)
