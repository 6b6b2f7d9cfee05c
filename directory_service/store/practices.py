"""Practices as their software changes them: joining, profile, visibility, withdrawal, each one transaction.

A transaction begins by writing, so that it holds the practice before it reads it: on PostgreSQL its row, on SQLite the
database.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.rules.matching import search_forms
from directory_service.rules.practice import (
    Practice,
    PracticeState,
    state_after_choice,
    state_after_joining,
)
from directory_service.rules.profile import Address, Profile
from directory_service.store.practice_rows import one_practice
from directory_service.store.tables import audit, practice, practice_specialty, reachability, used_statement
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into


class StatementUsed(Exception):  # noqa: N818 - reads as what happened
    """A software statement was used before."""


class AccountDiffers(Exception):  # noqa: N818 - reads as what happened
    """The homeserver named another account for a practice than before, or one that belongs to another practice."""


class ChangedMeanwhile(Exception):  # noqa: N818 - reads as what happened
    """The practice was changed after its caller had looked at it; nothing is changed now."""


class UnknownPractice(Exception):  # noqa: N818 - reads as what it is
    """There is no practice with this Telematik-ID."""


@dataclass(frozen=True, slots=True)
class Joining:
    """An accepted statement, and what came with it.

    Attributes:
        verifier: who issued the statement.
        statement_id: its ``jti``.
        expires_at: seconds since 1970.
        jwks: the practice's public keys as a JWK set.
    """

    telematik_id: str
    user_id: str
    name: str
    jwks: Mapping[str, Any]
    verifier: str
    statement_id: str
    expires_at: int


def _forms(name: str, address: Address | None) -> dict[str, str]:
    forms = search_forms(name, address)
    return {"all_words": forms.all_words, "name_words": forms.name, "city_words": forms.city}


class PracticeStore:
    """The tables ``practice``, ``practice_specialty`` and ``audit``, and what depends on them."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, telematik_id: str) -> Practice | None:
        """The practice with this Telematik-ID."""
        async with self._engine.connect() as connection:
            return await one_practice(connection, practice.c.telematik_id == telematik_id)

    async def keys(self, telematik_id: str) -> dict[str, Any] | None:
        """The practice's public keys as a JWK set, or None if it is unknown."""
        query = sa.select(practice.c.jwks).where(practice.c.telematik_id == telematik_id)
        async with self._engine.connect() as connection:
            jwks = (await connection.execute(query)).scalar_one_or_none()
        return None if jwks is None else dict(json.loads(jwks))

    async def last_entry(self, telematik_id: str) -> int:
        """The number of the newest thing that happened to a practice, or 0; it differs after every change.

        Name and keys are at the homeserver as well, and are changed there first. Who changes both reads this number
        before, and gives it to ``join`` or ``write_profile``: of two at once the second begins anew, so that the
        homeserver holds at last what is stored here.
        """
        async with self._engine.connect() as connection:
            return await self._last_entry(connection, telematik_id)

    async def is_practice(self, user_id: str) -> bool:
        """Whether an account belongs to a practice, whatever its state."""
        async with self._engine.connect() as connection:
            return await one_practice(connection, practice.c.user_id == user_id) is not None

    async def statement_is_used(self, verifier: str, statement_id: str) -> bool:
        """Whether a statement was used; ``join`` decides it for good."""
        used = sa.select(used_statement.c.issuer).where(
            used_statement.c.issuer == verifier, used_statement.c.statement_id == statement_id
        )
        async with self._engine.connect() as connection:
            return (await connection.execute(used)).first() is not None

    async def join(self, joining: Joining, now: datetime, *, seen: int | None = None) -> Practice:
        """Takes a practice in, or replaces the name and keys of one that joins again; uses up the statement.

        Args:
            joining: the statement and what came with it.
            now: the present moment.
            seen: its ``last_entry`` before the homeserver was told; None if that was not done.

        Raises:
            ChangedMeanwhile: if something happened since ``seen``; the statement stays usable.
            StatementUsed: if the statement was used before.
            AccountDiffers: if the practice has another account already; nothing is changed then.
        """
        new = {
            "telematik_id": joining.telematik_id,
            "resource_id": str(uuid.uuid4()),
            "user_id": joining.user_id,
            "name": joining.name,
            "jwks": json.dumps(joining.jwks),
            "state": state_after_joining(None).value,
            **_forms(joining.name, None),
        }
        statement = {
            "issuer": joining.verifier,
            "statement_id": joining.statement_id,
            "expires_at": joining.expires_at,
        }
        async with self._engine.begin() as connection:
            marking = insert_into(self._engine, used_statement).values(statement).on_conflict_do_nothing()
            if (await connection.execute(marking)).rowcount == 0:
                raise StatementUsed
            inserting = insert_into(self._engine, practice).values(new).on_conflict_do_nothing()
            if (await connection.execute(inserting)).rowcount == 0:
                await self._join_again(connection, joining)
            await self._check_unchanged(connection, joining.telematik_id, seen)
            await self._note(connection, joining.telematik_id, "joined", now, by=joining.verifier)
            return await self._get(connection, joining.telematik_id)

    async def write_profile(
        self, telematik_id: str, profile: Profile, now: datetime, *, seen: int | None = None
    ) -> Practice:
        """Replaces what a practice says about itself.

        Args:
            telematik_id: which practice.
            profile: what it says.
            now: the present moment.
            seen: its ``last_entry`` before the homeserver was told; None if that was not done.

        Raises:
            ChangedMeanwhile: if something happened since ``seen``.
            UnknownPractice: if there is none.
        """
        address = profile.address
        assert address is not None
        async with self._engine.begin() as connection:
            await self._hold(connection, telematik_id)
            await self._check_unchanged(connection, telematik_id, seen)
            await connection.execute(
                practice.update()
                .where(practice.c.telematik_id == telematik_id)
                .values(
                    name=profile.name,
                    line=address.line,
                    postcode=address.postcode,
                    city=address.city,
                    **_forms(profile.name, address),
                )
            )
            of_practice = practice_specialty.c.telematik_id == telematik_id
            await connection.execute(practice_specialty.delete().where(of_practice))
            await connection.execute(
                practice_specialty.insert(),
                [
                    {"telematik_id": telematik_id, "place": place, "code": code}
                    for place, code in enumerate(profile.specialties)
                ],
            )
            await self._note(connection, telematik_id, "profile-written", now)
            return await self._get(connection, telematik_id)

    async def choose_visibility(
        self, telematik_id: str, *, visible: bool, consent_text: str, now: datetime
    ) -> Practice:
        """Lets insured people find and reach a practice, or no longer; search and reachable set change together.

        Raises:
            UnknownPractice: if there is none.
            ChangeRefused: if its state or profile does not allow it.
        """
        return await self._change_state(
            telematik_id, lambda before: state_after_choice(before, visible=visible), consent_text, now
        )

    async def withdraw(self, telematik_id: str, now: datetime) -> Practice:
        """Takes a practice out of the directory; it is neither found nor reachable from the commit on.

        Raises:
            UnknownPractice: if there is none.
        """
        return await self._change_state(telematik_id, lambda _: PracticeState.WITHDRAWN, None, now)

    async def _change_state(
        self,
        telematik_id: str,
        state_after: Callable[[Practice], PracticeState],
        consent_text: str | None,
        now: datetime,
    ) -> Practice:
        this = practice.c.telematik_id == telematik_id
        async with self._engine.begin() as connection:
            await self._hold(connection, telematik_id)
            before = await self._get(connection, telematik_id)
            state = state_after(before)
            agreed = (await connection.execute(sa.select(practice.c.consent_text).where(this))).scalar_one()
            if (state, consent_text) == (before.state, agreed):
                return before
            values: dict[str, Any] = {"state": state.value, "consent_text": consent_text}
            if (state is PracticeState.OPTED_IN) != (before.state is PracticeState.OPTED_IN):
                values["reachability_version"] = await self._next_version(connection)
            await connection.execute(practice.update().where(this).values(values))
            await self._note(connection, telematik_id, state.value, now, consent_text=consent_text)
            return await self._get(connection, telematik_id)

    async def _join_again(self, connection: AsyncConnection, joining: Joining) -> None:
        try:
            await self._hold(connection, joining.telematik_id)
        except UnknownPractice:
            raise AccountDiffers from None
        before = await self._get(connection, joining.telematik_id)
        if before.user_id != joining.user_id:
            raise AccountDiffers
        await connection.execute(
            practice.update()
            .where(practice.c.telematik_id == joining.telematik_id)
            .values(
                name=joining.name,
                jwks=json.dumps(joining.jwks),
                state=state_after_joining(before.state).value,
                **_forms(joining.name, before.profile.address),
            )
        )

    @staticmethod
    async def _last_entry(connection: AsyncConnection, telematik_id: str) -> int:
        newest = sa.select(sa.func.coalesce(sa.func.max(audit.c.id), 0)).where(audit.c.telematik_id == telematik_id)
        return int((await connection.execute(newest)).scalar_one())

    async def _check_unchanged(self, connection: AsyncConnection, telematik_id: str, seen: int | None) -> None:
        if seen is not None and await self._last_entry(connection, telematik_id) != seen:
            raise ChangedMeanwhile

    @staticmethod
    async def _hold(connection: AsyncConnection, telematik_id: str) -> None:
        this = practice.c.telematik_id == telematik_id
        holding = practice.update().where(this).values(telematik_id=telematik_id)
        if (await connection.execute(holding)).rowcount == 0:
            raise UnknownPractice

    @staticmethod
    async def _get(connection: AsyncConnection, telematik_id: str) -> Practice:
        found = await one_practice(connection, practice.c.telematik_id == telematik_id)
        if found is None:
            raise UnknownPractice
        return found

    @staticmethod
    async def _next_version(connection: AsyncConnection) -> int:
        counting = reachability.update().values(version=reachability.c.version + 1)
        return int((await connection.execute(counting.returning(reachability.c.version))).scalar_one())

    @staticmethod
    async def _note(
        connection: AsyncConnection,
        telematik_id: str,
        what: str,
        now: datetime,
        *,
        by: str | None = None,
        consent_text: str | None = None,
    ) -> None:
        row = {"telematik_id": telematik_id, "at": to_milliseconds(now), "what": what, "by": by or telematik_id}
        await connection.execute(audit.insert().values(row | {"consent_text": consent_text}))
