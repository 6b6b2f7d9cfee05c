"""Practices as their software changes them: joining, profile, visibility, withdrawal, each one transaction."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from directory_service.rules.practice import (
    Consent,
    Practice,
    PracticeState,
    after_withdrawal,
    check_profile_after,
    epoch_after_joining,
    state_after_choice,
    state_after_joining,
)
from directory_service.rules.profile import Messenger, Profile
from directory_service.store.practice_changes import Change, changing
from directory_service.store.practice_rows import COLUMNS, as_practice, one_practice, practices_by_id
from directory_service.store.tables import directory_version, practice, used_statement
from messenger_core.database import insert_into

DIRECTORY = "directory"
"""Who changed a practice, in the audit log, when the directory itself did."""


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


class PracticeStore:
    """Reads and changes single practices; ``store.practice_changes`` says what follows from a change."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def find(self, telematik_id: str) -> Practice | None:
        """The practice with this Telematik-ID."""
        async with self._engine.connect() as connection:
            return await one_practice(connection, practice.c.telematik_id == telematik_id)

    async def find_by_account(self, user_id: str) -> Practice | None:
        """The practice whose account at the homeserver this is, whatever its state."""
        async with self._engine.connect() as connection:
            return await one_practice(connection, practice.c.user_id == user_id)

    async def is_practice(self, user_id: str) -> bool:
        """Whether an account belongs to a practice, whatever its state."""
        return await self.find_by_account(user_id) is not None

    async def find_with_keys(self, telematik_id: str) -> tuple[Practice, dict[str, Any]] | None:
        """A practice with its public keys as a JWK set, of one moment; None if it is unknown or did not join yet."""
        this = practice.c.telematik_id == telematik_id
        async with self._engine.connect() as connection:
            row = (await connection.execute(sa.select(*COLUMNS, practice.c.jwks).where(this))).one_or_none()
        return None if row is None or row.jwks is None else (as_practice(row), dict(json.loads(row.jwks)))

    async def keys(self, telematik_id: str) -> dict[str, Any] | None:
        """The practice's public keys as a JWK set, or None if it is unknown or did not join yet."""
        query = sa.select(practice.c.jwks).where(practice.c.telematik_id == telematik_id)
        async with self._engine.connect() as connection:
            jwks = (await connection.execute(query)).scalar_one_or_none()
        return None if jwks is None else dict(json.loads(jwks))

    async def version(self, telematik_id: str) -> int:
        """The version of a practice, or 0 if there is none; it is greater after every change.

        Name and keys are at the homeserver as well, and are changed there first. Who changes both reads the version
        before, and gives it to ``join`` or ``write_profile``: of two at once the second begins anew, so that the
        homeserver holds at last what is stored here.
        """
        query = sa.select(practice.c.version).where(practice.c.telematik_id == telematik_id)
        async with self._engine.connect() as connection:
            return (await connection.execute(query)).scalar_one_or_none() or 0

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
            seen: its version before the homeserver was told; None if that was not done.

        Raises:
            ChangedMeanwhile: if it changed since ``seen``; the statement stays usable.
            StatementUsed: if the statement was used before.
            AccountDiffers: if the practice has another account already; nothing is changed then.
        """
        statement = {
            "issuer": joining.verifier,
            "statement_id": joining.statement_id,
            "expires_at": joining.expires_at,
        }
        async with changing(self._engine) as change:
            marking = insert_into(self._engine, used_statement).values(statement).on_conflict_do_nothing()
            if (await change.connection.execute(marking)).rowcount == 0:
                raise StatementUsed
            before = await one_practice(change.connection, practice.c.telematik_id == joining.telematik_id)
            owner = await one_practice(change.connection, practice.c.user_id == joining.user_id)
            if owner != (before if before and before.user_id else None):
                raise AccountDiffers
            _check_unchanged(before, seen)
            this = practice.c.telematik_id == joining.telematik_id
            known = (await change.connection.execute(sa.select(practice.c.jwks).where(this))).scalar_one_or_none()
            after = _joined(before, joining, new_key=known is not None and json.loads(known) != joining.jwks)
            (joined,) = await change.write([Change(before, after, "joined", joining.verifier)], now)
            await change.connection.execute(practice.update().where(this).values(jwks=json.dumps(joining.jwks)))
            return joined

    async def write_profile(
        self, telematik_id: str, profile: Profile, now: datetime, *, seen: int | None = None
    ) -> Practice:
        """Replaces what a practice says about itself; it counts as a change even if every word is the same.

        Args:
            telematik_id: which practice.
            profile: what it says.
            now: the present moment.
            seen: its version when its caller looked; None if it did not.

        Raises:
            ChangedMeanwhile: if it changed since ``seen``.
            UnknownPractice: if there is none.
            ChangeRefused: if it is shown, and would not say any more what and where it is.
        """
        async with changing(self._engine) as change:
            before = await _known(change.connection, telematik_id)
            _check_unchanged(before, seen)
            check_profile_after(before, profile)
            after = replace(before, profile=profile)
            (written,) = await change.write([Change(before, after, "profile-written", telematik_id)], now)
            return written

    async def choose_visibility(
        self, telematik_id: str, *, visible: bool, consent_text: str, now: datetime, seen: int | None = None
    ) -> Practice:
        """Lets a practice be found and reached, or no longer; search and reachable set change together.

        The same choice again, with the same version of the text, changes nothing.

        Raises:
            ChangedMeanwhile: if it changed since ``seen``.
            UnknownPractice: if there is none.
            ChangeRefused: if its state or profile does not allow it.
        """
        async with changing(self._engine) as change:
            before = await _known(change.connection, telematik_id)
            _check_unchanged(before, seen)
            state = state_after_choice(before, visible=visible)
            agreed = before.consent.text_version if before.consent else None
            if (state, consent_text) == (before.state, agreed):
                return before
            after = replace(before, state=state, consent=Consent(consent_text, telematik_id, now))
            (chosen,) = await change.write([Change(before, after, state.value, telematik_id)], now)
            return chosen

    async def withdraw(self, telematik_id: str, now: datetime, *, seen: int | None = None) -> Practice:
        """Takes a practice out of the directory; it is neither found nor reachable from the commit on.

        Raises:
            ChangedMeanwhile: if it changed since ``seen``.
            UnknownPractice: if there is none.
        """
        async with changing(self._engine) as change:
            before = await _known(change.connection, telematik_id)
            _check_unchanged(before, seen)
            if before.state is PracticeState.WITHDRAWN:
                return before
            after = after_withdrawal(before)
            (withdrawn,) = await change.write([Change(before, after, after.state.value, telematik_id)], now)
            return withdrawn

    async def checked_by(self) -> str:
        """Under which rules every profile was looked at, by their mark."""
        async with self._engine.connect() as connection:
            return str((await connection.execute(sa.select(directory_version.c.checked_by))).scalar_one())

    async def note_checked(self, mark: str) -> None:
        """Notes that every profile was looked at under some rules; whoever writes one looks at it as well."""
        async with self._engine.begin() as connection:
            await connection.execute(directory_version.update().values(checked_by=mark))

    async def withhold(self, telematik_ids: Sequence[str], now: datetime) -> None:
        """Pauses practices that must not be shown as they are; each can change its entry and opt in again."""
        async with changing(self._engine) as change:
            known = await practices_by_id(change.connection, telematik_ids)
            shown = [one for one in known.values() if one.state is PracticeState.OPTED_IN]
            changes = [Change(one, replace(one, state=PracticeState.PAUSED), "withheld", DIRECTORY) for one in shown]
            if changes:
                await change.write(changes, now)


def _joined(before: Practice | None, joining: Joining, *, new_key: bool) -> Practice:
    """The practice after it joined; its account is one of its messenger addresses from the first time on."""
    if before is None:
        return Practice(
            telematik_id=joining.telematik_id,
            resource_id=str(uuid.uuid4()),
            user_id=joining.user_id,
            state=state_after_joining(None),
            profile=Profile(joining.name, messengers=(Messenger(joining.user_id),)),
        )
    profile = replace(before.profile, name=joining.name)
    if before.user_id is None:
        others = tuple(other for other in profile.messengers if other.user_id != joining.user_id)
        # Where every address hides, the new one must not be the way round it.
        hidden = bool(others) and all(other.hide_from_insured for other in others)
        own = Messenger(joining.user_id, hide_from_insured=hidden)
        profile = replace(profile, messengers=(own, *others))
    return replace(
        before,
        user_id=joining.user_id,
        state=state_after_joining(before.state),
        profile=profile,
        epoch=epoch_after_joining(before, new_key=new_key),
    )


def _check_unchanged(before: Practice | None, seen: int | None) -> None:
    if seen is not None and seen != (before.version if before else 0):
        raise ChangedMeanwhile


async def _known(connection: AsyncConnection, telematik_id: str) -> Practice:
    found = await one_practice(connection, practice.c.telematik_id == telematik_id)
    if found is None:
        raise UnknownPractice
    return found
