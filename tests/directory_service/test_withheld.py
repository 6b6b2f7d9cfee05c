"""What the database has from earlier and cannot be shown is left out and alarmed; it takes no other practice along."""

from __future__ import annotations

import asyncio
import json
import logging

import pytest
import sqlalchemy as sa

from directory_service.app import open_application
from directory_service.store.tables import directory_version, practice
from messenger_core.database import make_engine
from tests.directory_service.bench import CONSENT, PROFILE, SOMMER, WINTER, Directory

FOREVER = {"special": [["9999-12-31", [[480, 1440]], "sonderoeffnung", ""]], "weekly": None}


async def write_beside(directory: Directory, telematik_id: str, document: str | None) -> None:
    """Puts a document into the database past all checks; None spoils the one that is there by hours without an end."""
    engine = make_engine(directory.settings.database)
    this = practice.c.telematik_id == telematik_id
    async with engine.begin() as connection:
        known = (await connection.execute(sa.select(practice.c.profile).where(this))).scalar_one()
        text = document or json.dumps(json.loads(known) | {"opening_hours": FOREVER})
        await connection.execute(practice.update().where(this).values(profile=text))
        # As an earlier release left it, which knew other bounds.
        await connection.execute(directory_version.update().values(checked_by=""))
    await engine.dispose()


async def starts_anew(directory: Directory) -> None:
    """A directory's process starts beside the one that runs."""
    async with open_application(directory.settings):
        pass


async def test_an_entry_out_of_bounds_is_paused_and_its_owner_mends_it(
    directory: Directory, caplog: pytest.LogCaptureFixture
) -> None:
    key = await directory.practice_joins()
    await directory.practice_joins(WINTER, profile=PROFILE | {"name": "Praxis Winter"})
    await write_beside(directory, SOMMER, None)
    await starts_anew(directory)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR]
    status, own = await directory.as_practice(key, "GET", "/owner/practice")
    assert (status, own["state"], own["opening_hours"]["special"][0]["day"]) == (200, "paused", "9999-12-31")
    for _ in range(1200):  # the process that ran before follows within a second
        if len(found := await directory.found("hausarzt")) == 1:
            break
        await asyncio.sleep(0.05)
    assert found == ["Praxis Winter – Allgemeinmedizin, Hamburg"]
    assert (await directory.as_practice(key, "PUT", "/owner/practice", PROFILE))[0] == 200
    assert (await directory.as_practice(key, "PUT", "/owner/visibility", CONSENT))[0] == 200
    assert len(await directory.found("hausarzt")) == 2


@pytest.mark.parametrize("document", ["{", "[]", '{"name":"x","absence":["2026","2027",null]}'])
async def test_an_entry_that_cannot_be_read_takes_no_other_along_and_its_owner_writes_it_anew(
    directory: Directory, document: str, caplog: pytest.LogCaptureFixture
) -> None:
    key = await directory.practice_joins()
    await directory.practice_joins(WINTER, profile=PROFILE | {"name": "Praxis Winter"})
    await write_beside(directory, SOMMER, document)
    await starts_anew(directory)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert (await directory.as_practice(key, "GET", "/owner/practice"))[0] == 200
    assert (await directory.as_practice(key, "PUT", "/owner/practice", PROFILE))[0] == 200
    assert len(await directory.found("hausarzt")) == 2
    assert (await directory.as_practice(key, "POST", "/owner/withdraw", {}))[0] == 200
    assert await directory.found("hausarzt") == ["Praxis Winter – Allgemeinmedizin, Hamburg"]
