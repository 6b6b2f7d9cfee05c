"""Practices for tests of the store."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.practice import Practice
from directory_service.rules.profile import Address, Messenger, Profile
from directory_service.store.practices import Joining, PracticeStore
from directory_service.store.tables import metadata

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
VERIFIER = "https://nachweis.example"


def joining(telematik_id: str = "1-2001", *, name: str = "Praxis Sommer", user_id: str | None = None) -> Joining:
    """A fresh statement of a practice."""
    return Joining(
        telematik_id=telematik_id,
        user_id=user_id or f"@practice-{telematik_id}:messenger.example",
        name=name,
        jwks={"keys": [{"kid": secrets.token_hex(4)}]},
        verifier=VERIFIER,
        statement_id=secrets.token_urlsafe(8),
        expires_at=int(NOW.timestamp()) + 300,
    )


def profile(
    telematik_id: str,
    name: str = "Praxis Sommer",
    specialties: tuple[str, ...] = ("ALLG",),
    postcode: str = "20099",
    city: str = "Hamburg",
) -> Profile:
    """What a practice says about itself; it answers at the account that it was given when it joined."""
    own = Messenger(f"@practice-{telematik_id}:messenger.example")
    return Profile(name, specialties, Address("Weg 1", postcode, city), messengers=(own,))


async def opted_in(
    store: PracticeStore,
    telematik_id: str,
    *,
    name: str = "Praxis Sommer",
    specialties: tuple[str, ...] = ("ALLG",),
    postcode: str = "20099",
    city: str = "Hamburg",
) -> Practice:
    """A practice that patients find."""
    await store.join(joining(telematik_id, name=name), NOW)
    await store.write_profile(telematik_id, profile(telematik_id, name, specialties, postcode, city), NOW)
    return await store.choose_visibility(telematik_id, visible=True, consent_text="1", now=NOW)


def account(practice: Practice) -> str:
    """The account that the homeserver made for a practice that joined."""
    assert practice.user_id is not None
    return practice.user_id


Backup = list[tuple[sa.Table, list[dict[str, Any]]]]


async def backed_up(engine: AsyncEngine) -> Backup:
    """Every row of the database."""
    async with engine.connect() as connection:
        return [
            (table, [dict(row) for row in (await connection.execute(sa.select(table))).mappings()])
            for table in metadata.sorted_tables
        ]


async def restore(engine: AsyncEngine, kept: Backup) -> None:
    """Makes the database what it was."""
    async with engine.begin() as connection:
        for table, _ in reversed(kept):
            await connection.execute(table.delete())
        for table, rows in kept:
            if rows:
                await connection.execute(table.insert(), rows)
