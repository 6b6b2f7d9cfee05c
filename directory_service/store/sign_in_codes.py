"""Codes with which practices sign in to their page, until they are used or end."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.sign_in_codes import LIFETIME
from directory_service.store.tables import sign_in_code
from messenger_core.calendar_periods import to_milliseconds

_MOST_AT_ONCE = 5


class SignInCodes:
    """The table ``sign_in_code``; codes stand in it as digests."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def add(self, digest: str, user_id: str, now: datetime) -> datetime:
        """Keeps a code of a practice's account, of which the newest five are good.

        Returns:
            When it ends.
        """
        ends = now + LIFETIME
        of_account = sign_in_code.c.user_id == user_id
        newest = (
            sa.select(sign_in_code.c.digest)
            .where(of_account)
            .order_by(sign_in_code.c.expires_at.desc(), sign_in_code.c.digest)
            .limit(_MOST_AT_ONCE)
        )
        async with self._engine.begin() as connection:
            await connection.execute(sign_in_code.delete().where(sign_in_code.c.expires_at <= to_milliseconds(now)))
            await connection.execute(
                sign_in_code.insert().values(digest=digest, user_id=user_id, expires_at=to_milliseconds(ends))
            )
            kept = (await connection.scalars(newest)).all()
            await connection.execute(sign_in_code.delete().where(of_account, sign_in_code.c.digest.not_in(kept)))
        return ends

    async def use(self, digest: str, now: datetime) -> str | None:
        """Uses a code up; the account that it was for, or None if it is not good."""
        using = (
            sign_in_code.delete()
            .where(sign_in_code.c.digest == digest)
            .returning(sign_in_code.c.user_id, sign_in_code.c.expires_at)
        )
        async with self._engine.begin() as connection:
            row = (await connection.execute(using)).one_or_none()
        return row.user_id if row is not None and row.expires_at > to_milliseconds(now) else None
