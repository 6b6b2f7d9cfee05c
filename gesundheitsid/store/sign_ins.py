"""Sign-ins under way: from a client's request to the identity provider's answer, each answered once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from gesundheitsid.rules.provider import AuthorizationRequest
from gesundheitsid.rules.sealing import hashed
from gesundheitsid.store.tables import sign_in

LIFETIME = timedelta(minutes=15)


class NoSignIn(Enum):
    """Why a sign-in cannot be taken out."""

    UNKNOWN = auto()
    """There is none of this name, or it was taken out before, or its time is over."""
    OF_ANOTHER_BROWSER = auto()


@dataclass(frozen=True, slots=True)
class PushedRequest:
    """What we asked an identity provider."""

    idp: str
    nonce: str
    verifier: str


def _asked(row: sa.Row[tuple[object, ...]]) -> AuthorizationRequest:
    return AuthorizationRequest(
        client_id=row.client_id,
        redirect_uri=row.redirect_uri,
        state=row.state,
        nonce=row.nonce,
        challenge=row.challenge,
        scopes=frozenset(row.scopes.split()),
    )


class SignIns:
    """The table ``sign_in``. A handle counts together with the browser that it was given to."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def begin(self, asked: AuthorizationRequest, *, handle: str, browser: str, now: datetime) -> None:
        """Keeps a client's request."""
        async with self._engine.begin() as connection:
            await connection.execute(
                sign_in.insert().values(
                    handle=hashed(handle),
                    browser=hashed(browser),
                    client_id=asked.client_id,
                    redirect_uri=asked.redirect_uri,
                    state=asked.state,
                    nonce=asked.nonce,
                    challenge=asked.challenge,
                    scopes=" ".join(sorted(asked.scopes)),
                    expires_at=int((now + LIFETIME).timestamp()),
                )
            )

    async def push(self, pushed: PushedRequest, *, handle: str, browser: str, now: datetime) -> bool:
        """Notes what an identity provider is asked; a second choice replaces the first. False without a request."""
        open_one = sa.and_(
            sign_in.c.handle == hashed(handle),
            sign_in.c.browser == hashed(browser),
            sign_in.c.expires_at > int(now.timestamp()),
        )
        values = {"idp": pushed.idp, "idp_nonce": pushed.nonce, "idp_verifier": pushed.verifier}
        async with self._engine.begin() as connection:
            return (await connection.execute(sign_in.update().where(open_one).values(values))).rowcount == 1

    async def take(
        self, *, handle: str, browser: str, now: datetime
    ) -> tuple[AuthorizationRequest, PushedRequest] | NoSignIn:
        """Takes a request out, to be answered once.

        Returns:
            What was asked, or why there is nothing; another browser's request stays.
        """
        async with self._engine.begin() as connection:
            found = (
                await connection.execute(
                    sign_in.delete()
                    .where(
                        sign_in.c.handle == hashed(handle),
                        sign_in.c.browser == hashed(browser),
                        sign_in.c.idp.is_not(None),
                    )
                    .returning(*sign_in.c)
                )
            ).one_or_none()
            if found is None:
                query = sa.select(sa.func.count()).where(
                    sign_in.c.handle == hashed(handle), sign_in.c.browser != hashed(browser)
                )
                foreign = (await connection.execute(query)).scalar_one()
                return NoSignIn.OF_ANOTHER_BROWSER if foreign else NoSignIn.UNKNOWN
        if found.expires_at <= now.timestamp():
            return NoSignIn.UNKNOWN
        return _asked(found), PushedRequest(found.idp, found.idp_nonce, found.idp_verifier)

    async def remove_expired(self, now: datetime) -> None:
        """Forgets requests that nobody answered."""
        async with self._engine.begin() as connection:
            await connection.execute(sign_in.delete().where(sign_in.c.expires_at <= int(now.timestamp())))
