"""Entries of the national directory as patients, homeservers and their own practice meet them over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
from aiohttp.test_utils import TestServer

from directory_service.adapters.import_command import ImportRequest
from directory_service.app import import_national_directory, open_application
from directory_service.rules.fhir.terminology import ORIGIN
from directory_service.settings import DirectorySettings
from messenger_core.service_auth.keys import generate_private_key
from sandbox.ports import reserve_port
from tests.directory_service.adapters.test_homeserver_api import reachable
from tests.directory_service.bench import CONSENT, Directory, HomeserverStandIn, settings_for
from tests.directory_service.fhir_client import Client, of_mode
from tests.directory_service.vzd_samples import endpoint, entry, hiding, telematik_id, write_lines

FIRST, SECOND = telematik_id(1), telematik_id(2)


def settings_with(folder: Path, homeserver: HomeserverStandIn, *, opt_out: bool) -> DirectorySettings:
    """An operator's settings with either model, of one database."""
    url = f"http://127.0.0.1:{reserve_port()}"
    values = settings_for(folder, url=url, homeserver=homeserver.url, database=f"sqlite:///{folder}/directory.db")
    return DirectorySettings.model_validate(values | {"opt_out_model": opt_out})


@asynccontextmanager
async def started(settings: DirectorySettings, homeserver: HomeserverStandIn) -> AsyncIterator[Directory]:
    """The directory while it runs."""
    async with (
        open_application(settings) as app,
        TestServer(app, port=settings.listen.port),
        aiohttp.ClientSession() as http,
    ):
        yield Directory(settings, homeserver, http)


async def test_the_operators_model_decides_who_is_found_until_the_practice_does(
    tmp_path: Path, homeserver: HomeserverStandIn
) -> None:
    hidden = entry(2, endpoint(2, extension=hiding()))
    export = write_lines(tmp_path / "export.ndjson", [*entry(1), *hidden])
    opt_out = settings_with(tmp_path, homeserver, opt_out=True)
    async with started(opt_out, homeserver) as directory:
        patient = Client(directory, await directory.search_token())
        assert (await patient.search("HealthcareService"))["total"] == 0
        await import_national_directory(opt_out, ImportRequest([export]))
        # Who hides everywhere stays hidden when it joins; its joining also makes the directory look at once.
        key = generate_private_key()
        assert (await directory.register(directory.statement(SECOND, key), key))[0] == 201
        (found,) = of_mode(await patient.search("HealthcareService"), "match")
        assert (found["identifier"][0]["value"], found["meta"]["tag"]) == (FIRST, [{"system": ORIGIN, "code": "ldap"}])
        assert (await reachable(directory))["add"] == ["@praxis-1:tim.example"]
        assert await directory.found("nummer") == ["Praxis Nummer 1 – Allgemeinmedizin, Hamburg"]
    opt_in = settings_with(tmp_path, homeserver, opt_out=False)
    async with started(opt_in, homeserver) as directory:
        patient = Client(directory, await directory.search_token())
        assert (await patient.search("HealthcareService"))["total"] == 0
        assert (await reachable(directory))["add"] == []
        assert await directory.found("nummer") == []
        own = generate_private_key()
        assert (await directory.register(directory.statement(FIRST, own), own, "Praxis Sommer"))[0] == 201
        status, said = await directory.as_practice(own, "PUT", "/owner/visibility", CONSENT, FIRST)
        assert (status, said["state"], said["address"]["city"]) == (200, "opted-in", "Hamburg")
        accounts = {said["user_id"], "@praxis-1:tim.example"}
        assert set((await reachable(directory))["add"]) == accounts
        (found,) = of_mode(await patient.search("HealthcareService"), "match")
        assert (found["name"], found["meta"]["tag"][0]["code"], len(found["endpoint"])) == ("Praxis Sommer", "owner", 2)
