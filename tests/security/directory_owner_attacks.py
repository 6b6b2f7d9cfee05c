"""Attacks on practices, their names, keys and sessions, on sign-ins and on the import of the directory."""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from messenger_core.service_auth.keys import generate_private_key
from tests.directory_service.adapters.test_any_request import owner_token
from tests.directory_service.bench import ERIKA, PROFILE, SERVER_NAME, settings_for
from tests.directory_service.pages.visitor import Visitor, patient
from tests.directory_service.vzd_samples import entry, write_lines
from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.bystander import bystander
from tests.security.house import House
from tests.security.owner_scene import OwnerScene, Practice, owner_scene

_RESERVED = "reserved_names, by what letters look like"
_LETTERS = "letters that show nothing are refused"
_HONEST = "Praxis Dr. Hekmat"


# -- Names ----------------------------------------------------------------------------------------------------------


async def _registered_as(name: str, house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    status = await scene.register(scene.stranger(), name)
    return Outcome(status == 400, await scene.register(scene.stranger(), _HONEST) == 201, f"answered {status}")


async def _renamed_to(name: str, path: str, house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    practice = await scene.practice(opts_in=False)

    async def rename(to: str) -> int:
        if path == "/owner/practice":
            return (await scene.call(practice, "PUT", path, PROFILE | {"name": to}))[0]
        _, found = await scene.call(practice, "GET", path)
        service = found["entry"][0]["resource"]
        return (await scene.call(practice, "PUT", f"{path}/{service['id']}", service | {"name": to}))[0]

    status = await rename(name)
    return Outcome(status in {400, 422}, await rename(_HONEST) == 200, f"answered {status}")


async def _renamed_on_the_page(house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    visitor = await scene.at_its_page(await scene.practice(opts_in=False))
    form = {"specialties": "ALLG", "address.line": "Weg 1", "address.city": "Hamburg", "address.postcode": "20099"}
    status, _ = await visitor.open("POST", "/praxis/profil", visitor.hidden | form | {"name": "HEK Service"})
    allowed, _ = await visitor.open("POST", "/praxis/profil", visitor.hidden | form | {"name": _HONEST})
    return Outcome(status == 422, allowed == 200, f"answered {status}")


# -- Sessions -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Loot:
    """What a thief has of a practice: its key, its page's cookie, its tokens, a code."""

    scene: OwnerScene
    practice: Practice
    page: Visitor
    search_token: str
    access_token: str
    code: str

    async def still_good(self) -> dict[str, bool]:
        """What of it lets the thief in."""
        page, _ = await self.page.open("GET", "/praxis")
        _, text = await self.page.open("GET", "/praxis")
        code, _ = await Visitor(self.scene.directory).open("POST", "/praxis/anmelden", {"code": self.code})
        return {
            "page": page == 200 and "Abmelden" in text,
            "search": await self._get("/search/Organization", self.search_token) == 200,
            "access": await self._get("/owner/practice", self.access_token) == 200,
            "code": code == 200,
        }

    async def _get(self, path: str, token: str) -> int:
        directory = self.scene.directory
        async with directory.http.get(directory.url + path, headers={"Authorization": f"Bearer {token}"}) as answer:
            return answer.status


async def _loot(scene: OwnerScene) -> _Loot:
    practice, directory = await scene.practice(), scene.directory
    page = await scene.at_its_page(practice)
    token = await directory.search_token(practice.user_id)
    access = await owner_token(directory, practice.key, practice.telematik_id)
    return _Loot(scene, practice, page, token, access, await scene.code(practice))


async def _after(end: Callable[[OwnerScene, _Loot], Awaitable[None]], what: str, house: House) -> Outcome:
    """Whether one piece of loot is of use after its right ended; it was before."""
    scene = await house.scene(owner_scene)
    before, after = await _loot(scene), await _loot(scene)
    good = await before.still_good()
    await end(scene, after)
    left = await after.still_good()
    return Outcome(not left[what], good[what], f"still good: {[name for name, is_good in left.items() if is_good]}")


async def _new_key(scene: OwnerScene, loot: _Loot) -> None:
    joined = Practice(loot.practice.telematik_id, generate_private_key())
    assert await scene.register(joined, "Praxis Ehrlich") == 201


async def _withdrawal(scene: OwnerScene, loot: _Loot) -> None:
    assert (await scene.call(loot.practice, "POST", "/owner/withdraw", {}))[0] == 200


async def _sign_out(_scene: OwnerScene, loot: _Loot) -> None:
    own = Visitor(loot.page.directory)
    own.cookies = dict(loot.page.cookies)
    await own.open("GET", "/praxis")
    assert (await own.open("POST", "/praxis/abmelden", own.hidden))[0] == 200


async def _patients_cookie_after_sign_out(house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    visitor, thief = await patient(scene.directory), Visitor(scene.directory)
    thief.cookies = dict(visitor.cookies)
    good = "Abmelden" in (await thief.open("GET", "/praxissuche"))[1]
    await visitor.open("GET", "/praxissuche")
    await visitor.open("POST", "/praxissuche/abmelden", visitor.hidden)
    _, text = await thief.open("GET", "/praxissuche")
    return Outcome("Abmelden" not in text, good, "a copy of the cookie was sent")


async def _old_key_after_a_new_one(house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    practice = await scene.practice()
    good = (await scene.call(practice, "GET", "/owner/practice"))[0] == 200
    joined = Practice(practice.telematik_id, generate_private_key())
    await scene.register(joined, "Praxis Ehrlich")
    try:
        status, _ = await scene.call(practice, "GET", "/owner/practice")
    except Exception as refusal:
        return Outcome("invalid_client" in str(refusal), good, "no token")
    return Outcome(False, good, f"answered {status}")


# -- Doors ----------------------------------------------------------------------------------------------------------


async def _flood(method: str, path: str, number: int, named: dict[str, Any], house: House) -> Outcome:
    """Somebody knocks again and again; an insured person, elsewhere, goes on searching."""
    scene = await house.scene(owner_scene)
    directory, attacker = scene.directory, scene.address()
    bearer = {"Authorization": f"Bearer {await directory.search_token(ERIKA)}"}

    async def search() -> None:
        async with directory.http.get(f"{directory.url}/fdv/search/HealthcareService", headers=bearer) as answer:
            assert answer.status == 200, answer.status

    async def knock() -> tuple[int, bool]:
        headers = attacker | named.get("headers", {})
        more = {name: value for name, value in named.items() if name != "headers"}
        async with directory.http.request(
            method, directory.url + path, headers=headers, allow_redirects=False, **more
        ) as answer:
            return answer.status, "Retry-After" in answer.headers

    async with bystander(search) as other:
        answers = [await knock() for _ in range(number)]
    refused = [told for status, told in answers if status == 429]
    said = f"{len(refused)} of {number} refused"
    return Outcome(len(refused) > number // 2 and all(refused), len(other.waits_ms) > 1, said, other.longest_wait_ms)


async def _codes_of_another_practice(house: House) -> Outcome:
    """Whoever tries codes for the page fills a limit of hers, not the practice's."""
    scene = await house.scene(owner_scene)
    practice, directory, attacker = await scene.practice(), scene.directory, scene.address()
    statuses = set()
    for _ in range(60):
        form = {"code": "BCDFG-HJKLM"}
        async with directory.http.post(f"{directory.url}/praxis/anmelden", data=form, headers=attacker) as answer:
            statuses.add(answer.status)
    page = await scene.at_its_page(practice)
    allowed = "Abmelden" in (await page.open("GET", "/praxis"))[1]
    return Outcome(statuses == {422, 429}, allowed, f"answered {sorted(statuses)}")


async def _made_up_way_back(house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    thief = Visitor(scene.directory)
    thief.cookies["__Host-hek-sign-in"] = "x"
    status, _ = await thief.open("GET", "/praxissuche/angemeldet?state=x&loginToken=stolen")
    honest = await patient(scene.directory)
    allowed = "Abmelden" in (await honest.open("GET", "/praxissuche"))[1]
    return Outcome(status == 400 and "__Host-hek-search" not in thief.cookies, allowed, f"answered {status}")


async def _form_of_another_site(house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    practice = await scene.practice()
    visitor = await scene.at_its_page(practice)
    form = {"visible": "no", "etag": visitor.hidden["etag"]}
    status, _ = await visitor.open("POST", "/praxis/sichtbarkeit", form | {"csrf": "0" * 64})
    _, own = await scene.call(practice, "GET", "/owner/practice")
    allowed, _ = await visitor.open("POST", "/praxis/sichtbarkeit", visitor.hidden | {"visible": "no"})
    return Outcome(status == 403 and own["state"] == "opted-in", allowed == 200, f"answered {status}")


async def _sent_elsewhere(house: House) -> Outcome:
    """Addresses in the query of the pages' sign-ins and outs lead nowhere else."""
    scene = await house.scene(owner_scene)
    directory, places = scene.directory, []
    for path in ("/", "/praxissuche/anmelden", "/praxis/abmelden", "/praxissuche/abmelden", "/praxis/profil"):
        for value in ("javascript:alert(1)", "https://attacker.example", "//attacker.example", "data:text/html,x"):
            query = dict.fromkeys(("redirectUrl", "next", "return_to", "redirect_uri"), value)
            async with directory.http.get(
                directory.url + path, params=query, allow_redirects=False, headers=scene.address()
            ) as answer:
                places.append(answer.headers.get("Location", ""))
    own = ("/praxis", f"{directory.homeserver.url}/_matrix/client/v3/login/sso/redirect/")
    foreign = [place for place in places if "attacker" in place or "alert" in place or "data:" in place]
    return Outcome(not foreign, all(place.startswith(own) for place in places), f"sent to {foreign or 'its own'}")


async def _script_in_a_page(house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    async with scene.directory.http.get(f"{scene.directory.url}/praxis") as answer:
        policy, text = answer.headers["Content-Security-Policy"], await answer.text()
    inline = "<script>" in text or "unsafe-inline" in policy or " on" + "click=" in text
    return Outcome(not inline and "default-src 'none'" in policy, answer.status == 200, policy)


# -- What nobody could show -------------------------------------------------------------------------------------------


async def _day_beyond_all_calendars(path: str, house: House) -> Outcome:
    scene = await house.scene(owner_scene)
    directory, practice = scene.directory, await scene.practice()
    token = await directory.search_token(ERIKA)
    last = {"special": [{"day": "9999-12-31", "blocks": [{"opens": "08:00", "closes": "24:00"}]}]}
    if path == "/owner/practice":
        status, _ = await scene.call(practice, "PUT", path, PROFILE | {"opening_hours": last})
    else:
        _, found = await scene.call(practice, "GET", path)
        service = found["entry"][0]["resource"]
        during = {"start": "9999-12-31", "end": "9999-12-31"}
        service["notAvailable"] = [{"description": "zu", "during": during}]
        status, _ = await scene.call(practice, "PUT", f"{path}/{service['id']}", service)
    async with directory.http.get(
        f"{directory.url}/fdv/search/HealthcareService?name=Praxis", headers={"Authorization": f"Bearer {token}"}
    ) as answer:
        return Outcome(status in {400, 422}, answer.status == 200, f"answered {status}")


async def _import(write: Callable[[Path], Path], stopped_by: str, house: House) -> Outcome:
    """An import as its own process; an honest file beside it is taken."""
    scene = await house.scene(owner_scene)
    folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="import-"))
    url, homeserver = "http://127.0.0.1:1", scene.directory.homeserver.url
    settings = settings_for(folder, url=url, homeserver=homeserver, database=f"sqlite:///{folder}/d.db")
    settings["import_limits"] = {"file_mib": 64}
    config = folder / "directory.yaml"
    await asyncio.to_thread(config.write_text, yaml.safe_dump(settings), "utf-8")

    async def take(file: Path) -> str:
        command = (
            sys.executable,
            "-m",
            "directory_service",
            "--config",
            str(config),
            "import",
            "--restart",
            "--accept-removals",
            str(file),
        )
        process = await asyncio.create_subprocess_exec(
            *command,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said, _ = await process.communicate()
        return said.decode()

    attacked = await take(await asyncio.to_thread(write, folder))
    honest = await take(write_lines(folder / "honest.ndjson", entry(5)))
    return Outcome(stopped_by in attacked, "1 new" in honest, f"{attacked[-300:]} {honest[-300:]}")


def _bomb(folder: Path) -> Path:
    path = folder / "bomb.ndjson.gz"
    with gzip.open(path, "wb", compresslevel=9) as file:
        for _ in range(1024):
            file.write(b" " * 2**20)
    return path


def _long_line(folder: Path) -> Path:
    return write_lines(folder / "long.ndjson", ["x" * (48 * 2**20), *entry(1)])


def _deep_bundle(folder: Path) -> Path:
    deep = '{"resource":{"resourceType":"Location","id":"l","address":' + "[" * 200_000 + "]" * 200_000 + "}}"
    good = ",".join(json.dumps({"resource": one}) for one in entry(1))
    path = folder / "deep.json"
    path.write_text(f'{{"resourceType":"Bundle","entry":[{deep},{good}]}}', encoding="utf-8")
    return path


def _posing_entry(folder: Path) -> Path:
    return write_lines(folder / "posing.ndjson", [*entry(2, name="HEK Service"), *entry(1)])


def _endless_entry(folder: Path) -> Path:
    organization, service, *rest = entry(2)
    period = {"start": "2026-12-31T08:00:00Z", "end": "9999-12-31T23:59:59Z"}
    special = {"url": "https://gematik.de/fhir/directory/StructureDefinition/SpecialOpeningTimesEX"}
    special["extension"] = [{"url": "period", "valuePeriod": period}]  # type: ignore[assignment]
    service["availableTime"] = [{"extension": [special]}]
    return write_lines(folder / "endless.ndjson", [organization, service, *rest, *entry(1)])


_D = Component.DIRECTORY
_NAMES = (("HEK", _RESERVED), ("HEK Service", _RESERVED), ("\u041d\u0415\u041a Service", _RESERVED))
_HIDDEN = ((f"Praxis{chr(code)} Sommer", f"U+{code:04X}") for code in (0x3164, 0x034F, 0x2800, 0xFE0F, 0x202E))
_ENDS: tuple[tuple[str, Callable[[OwnerScene, _Loot], Awaitable[None]]], ...] = (
    ("a new key", _new_key),
    ("a withdrawal", _withdrawal),
)
_LOOT = {"page": "page's cookie", "search": "search token", "access": "access token", "code": "unused sign-in code"}
_OPENID = {"headers": {"X-Matrix-OpenID-Token": "made-up"}}

ATTACKS = (
    *(
        Attack(f"a practice registered as {name!a}", _D, Kind.FALSE_NAME, limit, "nothing",
               partial(_registered_as, name))
        for name, limit in _NAMES
    ),
    *(
        Attack(f"a practice registered with {code} in its name", _D, Kind.FALSE_NAME, _LETTERS, "nothing",
               partial(_registered_as, name))
        for name, code in _HIDDEN
    ),
    Attack("a practice renamed to HEK Service", _D, Kind.FALSE_NAME, _RESERVED, "nothing",
           partial(_renamed_to, "HEK Service", "/owner/practice")),
    Attack("a practice renamed to HEK Service in FHIR", _D, Kind.FALSE_NAME, _RESERVED, "nothing",
           partial(_renamed_to, "HEK Service", "/owner/HealthcareService")),
    Attack("a practice renamed to HEK Service on its page", _D, Kind.FALSE_NAME, _RESERVED, "nothing",
           _renamed_on_the_page),
    *(
        Attack(f"a practice's {_LOOT[what]} after {name}", _D, Kind.LASTING_SESSION, "the practice's epoch", "nothing",
               partial(_after, end, what))
        for name, end in _ENDS
        for what in _LOOT
    ),
    Attack("a copy of a practice's cookie after its sign-out", _D, Kind.LASTING_SESSION, "sessions on the server",
           "nothing", partial(_after, _sign_out, "page")),
    Attack("a copy of a patient's cookie after her sign-out", _D, Kind.LASTING_SESSION, "sessions on the server",
           "nothing", _patients_cookie_after_sign_out),
    Attack("a practice's old key after a new one", _D, Kind.LASTING_SESSION, "one key a practice", "nothing",
           _old_key_after_a_new_one),
    Attack("a flood of registrations", _D, Kind.FLOOD, "20 a minute of one address (429)", "nothing",
           partial(_flood, "POST", "/oauth2/register", 80, {"json": {}})),
    Attack("a flood of made-up OpenID tokens", _D, Kind.FLOOD, "60 a minute of one address (429)", "nothing",
           partial(_flood, "GET", f"/tim-authenticate?mxId={SERVER_NAME}", 200, _OPENID)),
    Attack("a flood of codes at the practices' page", _D, Kind.FLOOD, "30 a minute of one address (429)", "nothing",
           partial(_flood, "POST", "/praxis/anmelden", 120, {"data": {"code": "BCDFG-HJKLM"}})),
    Attack("a flood of sign-ins at the patients' page", _D, Kind.FLOOD, "30 a minute of one address (429)", "nothing",
           partial(_flood, "GET", "/praxissuche/anmelden", 120, {})),
    Attack("a flood of client assertions", _D, Kind.FLOOD, "300 at once of one address (429)", "nothing",
           partial(_flood, "POST", "/oauth2/token", 900, {"data": {"grant_type": "client_credentials"}})),
    Attack("guessed codes keep a practice out of its page", _D, Kind.FOREIGN_LIMIT, "limits by the guesser's address",
           "nothing", _codes_of_another_practice),
    Attack("a way back from a sign-in that nobody began", _D, Kind.FALSE_PROOF, "a sealed state", "nothing",
           _made_up_way_back),
    Attack("another site's form at the practices' page", _D, Kind.MISSING_RIGHT, "a word of the session in each form",
           "nothing", _form_of_another_site),
    Attack("the directory's pages lead to another site", _D, Kind.SCRIPT, "no address is taken from a request",
           "nothing", _sent_elsewhere),
    Attack("a script inside one of the directory's pages", _D, Kind.SCRIPT, "a policy without inline scripts",
           "nothing", _script_in_a_page),
    Attack("a special day at the end of all calendars", _D, Kind.FALSE_CONTENT, "days from 2000 to 2199", "nothing",
           partial(_day_beyond_all_calendars, "/owner/practice")),
    Attack("an absence at the end of all calendars in FHIR", _D, Kind.FALSE_CONTENT, "days from 2000 to 2199",
           "nothing", partial(_day_beyond_all_calendars, "/owner/HealthcareService")),
    Attack("an imported file of 1 GB as 1 MB of gzip", _D, Kind.FALSE_CONTENT, "import_limits.file_mib", "nothing",
           partial(_import, _bomb, "unpacks to more than")),
    Attack("an imported line of 48 MB", _D, Kind.FALSE_CONTENT, "import_limits.line_kib", "the line is reported",
           partial(_import, _long_line, "the line has more than")),
    Attack("an imported entry of 200,000 levels", _D, Kind.FALSE_CONTENT, "import_limits.depth",
           "the entry is reported", partial(_import, _deep_bundle, "it has more than 50 levels")),
    Attack("an imported entry that is called HEK Service", _D, Kind.FALSE_NAME, _RESERVED, "the entry is reported",
           partial(_import, _posing_entry, "a name of the insurer")),
    Attack("an imported entry without an end", _D, Kind.FALSE_CONTENT, "days from 2000 to 2199",
           "the element is reported", partial(_import, _endless_entry, "days from 2000-01-01")),
)  # fmt: skip
