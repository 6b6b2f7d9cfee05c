"""No practice poses as the insurer, or bears letters that show nothing, whichever way its name comes in."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from directory_service.adapters.import_command import ImportRequest
from directory_service.app import import_national_directory, open_application
from directory_service.store.tables import directory_version, practice
from messenger_core.database import make_engine
from messenger_core.service_auth.keys import generate_private_key
from tests.directory_service.bench import CONSENT, PROFILE, SOMMER, WINTER, Directory
from tests.directory_service.pages.scene import code_for
from tests.directory_service.pages.visitor import Visitor
from tests.directory_service.vzd_samples import entry, telematik_id, write_lines

POSING = ("HEK", "HEK Service", "Hek-Praxis", "H\u0415K", "\u041d\u0415\u041a Service", "H.E.K.")
UNSHOWN = tuple(f"Praxis{letter} Sommer" for letter in "\u3164\u034f\u2800\ufe0f\u202e\u200b\u2066\u00ad")
HONEST = ("Praxis Dr. Hekmat", "Kardiologie am Dom")


async def names_answered(directory: Directory, key: Any, name: str) -> dict[str, int]:
    """What each way in answers to a name."""
    new_key = generate_private_key()
    registered, _ = await directory.register(directory.statement(WINTER, new_key), new_key, name)
    put, _ = await directory.as_practice(key, "PUT", "/owner/practice", PROFILE | {"name": name})
    _, own = await directory.as_practice(key, "GET", "/owner/HealthcareService")
    service = own["entry"][0]["resource"]
    path = f"/owner/HealthcareService/{service['id']}"
    in_fhir, _ = await directory.as_practice(key, "PUT", path, service | {"name": name})
    return {"registration": registered, "PUT": put, "FHIR": in_fhir}


@pytest.mark.parametrize("name", [*POSING, *UNSHOWN])
async def test_a_name_that_poses_or_shows_nothing_is_refused_at_every_interface(
    directory: Directory, name: str
) -> None:
    key = await directory.practice_joins()
    assert await names_answered(directory, key, name) == {"registration": 400, "PUT": 400, "FHIR": 422}
    _, own = await directory.as_practice(key, "GET", "/owner/practice")
    assert own["name"] == PROFILE["name"]
    assert WINTER not in directory.homeserver.accounts


@pytest.mark.parametrize("name", HONEST)
async def test_an_honest_name_is_taken_at_every_interface(directory: Directory, name: str) -> None:
    key = await directory.practice_joins()
    assert await names_answered(directory, key, name) == {"registration": 201, "PUT": 200, "FHIR": 200}


async def test_the_page_refuses_it_beside_the_name(directory: Directory) -> None:
    await directory.practice_joins()
    visitor = Visitor(directory)
    await visitor.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
    form = {"name": "HEK Service", "specialties": "ALLG", "address.line": "Weg 1", "address.city": "Hamburg"}
    status, text = await visitor.open("POST", "/praxis/profil", visitor.hidden | form | {"address.postcode": "20099"})
    assert (status, 'id="name-error"' in text) == (422, True)
    assert await directory.found("sommer")


async def test_a_city_stands_beside_the_name_and_poses_no_more_than_it(directory: Directory) -> None:
    key = await directory.practice_joins()
    posing = json.loads(json.dumps(PROFILE))
    posing["address"]["city"] = "HEK Service"
    status, answer = await directory.as_practice(key, "PUT", "/owner/practice", posing)
    assert (status, [error["field"] for error in answer["errors"]]) == (400, ["address.city"])


async def test_an_imported_name_that_poses_is_reported_and_not_listed(directory: Directory, tmp_path: Path) -> None:
    importing = directory.settings.model_copy(update={"opt_out_model": True})
    names = ("HEK Service", "Praxis\u3164", "Praxis Drei")
    resources = [one for number, name in enumerate(names, 1) for one in entry(number, name=name)]
    report = tmp_path / "report.ndjson"
    file = write_lines(tmp_path / "entries.ndjson", resources)
    await import_national_directory(importing, ImportRequest([file], report=report))
    rejected = [json.loads(line) for line in report.read_text().splitlines()]
    assert {line["resource"] for line in rejected if line["rejected"]} == {"Organization/o1", "Organization/o2"}
    engine = make_engine(directory.settings.database)
    async with engine.connect() as connection:
        known = (await connection.scalars(sa.select(practice.c.telematik_id))).all()
    await engine.dispose()
    assert known == [telematik_id(3)]


async def test_who_is_called_so_already_is_paused_and_nobody_reaches_her(directory: Directory) -> None:
    key = await directory.practice_joins()
    await directory.practice_joins(WINTER, profile=PROFILE | {"name": "Praxis Winter"})
    engine = make_engine(directory.settings.database)
    async with engine.begin() as connection:
        this = practice.c.telematik_id == SOMMER
        known = json.loads((await connection.execute(sa.select(practice.c.profile).where(this))).scalar_one())
        profile = json.dumps(known | {"name": "HEK Service"})
        await connection.execute(practice.update().where(this).values(profile=profile))
        await connection.execute(directory_version.update().values(checked_by=""))
    await engine.dispose()
    async with open_application(directory.settings):
        pass
    for _ in range(1200):
        if await directory.found("hausarzt") == ["Praxis Winter – Allgemeinmedizin, Hamburg"]:
            break
        await asyncio.sleep(0.05)
    _, own = await directory.as_practice(key, "GET", "/owner/practice")
    assert (own["state"], own["found_by_insured"]) == ("paused", False)
    status, refused = await directory.as_practice(key, "PUT", "/owner/visibility", CONSENT)
    assert (status, [error["field"] for error in refused["errors"]]) == (409, ["name"])
    assert (await directory.as_practice(key, "PUT", "/owner/practice", PROFILE))[0] == 200
    assert (await directory.as_practice(key, "PUT", "/owner/visibility", CONSENT))[0] == 200
    assert len(await directory.found("hausarzt")) == 2
