"""Codes and sessions: a code is used once, and using it again ends the session that it began."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gesundheitsid.rules.provider import CODE_LIFETIME, TOKEN_LIFETIME, AuthorizationRequest
from gesundheitsid.rules.sealing import hashed, seal, unseal
from gesundheitsid.store.tables import grant, session

_REMEMBERED = timedelta(hours=1)
_RETRY = timedelta(minutes=1)


class NoGrant(Enum):
    """Why a code gives nothing."""

    UNKNOWN = auto()
    EXPIRED = auto()
    REPLAYED = auto()
    FOREIGN = auto()


@dataclass(frozen=True, slots=True)
class Redeemed:
    """What a code stands for."""

    nonce: str | None
    session: str
    claims: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EndedSession:
    """A session whose client has to be told."""

    session: str
    client_id: str
    subject: str


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


async def _end(connection: AsyncConnection, which: sa.ColumnElement[bool], now: datetime) -> int:
    ending = session.update().where(which, session.c.tell_at.is_(None))
    values = {"tell_at": _seconds(now), "access_expires_at": 0}
    return (await connection.execute(ending.values(values))).rowcount


class Grants:
    """The tables ``grant_code`` and ``session``."""

    def __init__(self, engine: AsyncEngine, session_lifetime: timedelta) -> None:
        """Takes how long a session is remembered, so that its client can be told of its end."""
        self._engine = engine
        self._lifetime = session_lifetime

    async def give(
        self, asked: AuthorizationRequest, claims: Mapping[str, Any], *, code: str, session_id: str, now: datetime
    ) -> None:
        """Keeps what a code will give, sealed with it."""
        async with self._engine.begin() as connection:
            await connection.execute(
                grant.insert().values(
                    code=hashed(code),
                    client_id=asked.client_id,
                    redirect_uri=asked.redirect_uri,
                    nonce=asked.nonce,
                    challenge=asked.challenge,
                    sealed=seal(claims, code),
                    session=session_id,
                    expires_at=_seconds(now + CODE_LIFETIME),
                    forget_at=_seconds(now + _REMEMBERED),
                )
            )

    async def redeem(
        self, code: str, *, client_id: str, redirect_uri: str, challenge: str | None, access: str, now: datetime
    ) -> Redeemed | NoGrant:
        """Uses a code up, whatever comes of it, and begins its session.

        Args:
            code: what the client sent.
            client_id: the authenticated client.
            redirect_uri: as it names it now.
            challenge: of the verifier that it sent; None if that was not well formed.
            access: the access token to be given.
            now: the present moment.
        """
        async with self._engine.begin() as connection:
            using = grant.update().where(grant.c.code == hashed(code), grant.c.sealed.is_not(None))
            row = (await connection.execute(sa.select(grant).where(grant.c.code == hashed(code)))).one_or_none()
            if row is None:
                return NoGrant.UNKNOWN
            if (await connection.execute(using.values(sealed=None))).rowcount == 0:
                await _end(connection, session.c.session == row.session, now)
                return NoGrant.REPLAYED
            if now.timestamp() >= row.expires_at:
                return NoGrant.EXPIRED
            if (row.client_id, row.redirect_uri, row.challenge) != (client_id, redirect_uri, challenge):
                return NoGrant.FOREIGN
            claims = unseal(row.sealed, code)
            await connection.execute(
                session.insert().values(
                    session=row.session,
                    client_id=client_id,
                    subject=claims["sub"],
                    access=hashed(access),
                    access_expires_at=_seconds(now + TOKEN_LIFETIME),
                    forget_at=_seconds(now + self._lifetime),
                )
            )
        return Redeemed(row.nonce, row.session, claims)

    async def subject_of(self, access: str, now: datetime) -> str | None:
        """Whom an access token stands for; None if it is unknown, over or revoked."""
        query = sa.select(session.c.subject).where(
            session.c.access == hashed(access), session.c.access_expires_at > _seconds(now)
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none()

    async def end_sessions(self, subjects: list[str], now: datetime) -> int:
        """Ends all sessions of a person, by her pseudonyms; returns how many."""
        async with self._engine.begin() as connection:
            return await _end(connection, session.c.subject.in_(subjects), now)

    async def due_logouts(self, now: datetime) -> list[EndedSession]:
        """Sessions that have ended and whose clients do not know yet."""
        query = sa.select(session).where(session.c.tell_at <= _seconds(now)).order_by(session.c.tell_at).limit(100)
        async with self._engine.connect() as connection:
            rows = (await connection.execute(query)).all()
        return [EndedSession(row.session, row.client_id, row.subject) for row in rows]

    async def forget_session(self, session_id: str) -> None:
        """Forgets a session whose client knows that it has ended."""
        async with self._engine.begin() as connection:
            await connection.execute(session.delete().where(session.c.session == session_id))

    async def postpone_logout(self, session_id: str, now: datetime) -> None:
        """Tries again in a minute."""
        async with self._engine.begin() as connection:
            later = session.update().where(session.c.session == session_id)
            await connection.execute(later.values(tell_at=_seconds(now + _RETRY)))

    async def counts(self) -> dict[str, int]:
        """How many rows there are, by table, and how many clients wait to be told."""
        async with self._engine.connect() as connection:
            sessions = (await connection.execute(sa.select(sa.func.count()).select_from(session))).scalar_one()
            untold = sa.select(sa.func.count()).where(session.c.tell_at.is_not(None))
            return {"sessions": sessions, "untold": (await connection.execute(untold)).scalar_one()}

    async def remove_expired(self, now: datetime) -> None:
        """Forgets codes, and sessions that are over; what nobody redeemed loses its content with its last second."""
        moment = _seconds(now)
        async with self._engine.begin() as connection:
            over = sa.and_(grant.c.expires_at <= moment, grant.c.sealed.is_not(None))
            await connection.execute(grant.update().where(over).values(sealed=None))
            await connection.execute(grant.delete().where(grant.c.forget_at <= moment))
            await connection.execute(session.delete().where(session.c.forget_at <= moment))
