"""Whatever any way in accepts, every reader shows: made-up profiles at and beyond all bounds, written and then read."""

from __future__ import annotations

import asyncio
import functools
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from directory_service.adapters.import_command import ImportRequest
from directory_service.app import import_national_directory
from directory_service.rules.profile_types import FIRST_DAY, LAST_DAY
from tests.directory_service.bench import SOMMER, Directory
from tests.directory_service.pages.scene import code_for
from tests.directory_service.pages.visitor import Visitor, patient
from tests.directory_service.vzd_samples import entry, write_lines

EXAMPLES = int(os.environ.get("HEK_EXAMPLES", "40"))
MADE_UP = settings(
    max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, *HealthCheck]
)
EDGES = [date.min, date(1582, 10, 15), date(1893, 4, 1), FIRST_DAY, date(2026, 3, 29), date(2026, 10, 25), LAST_DAY]
days = st.one_of(st.sampled_from([*EDGES, date(2200, 1, 1), date.max]), st.dates()).map(date.isoformat)
minutes = st.one_of(st.sampled_from([0, 1, 719, 1439, 1440]), st.integers(0, 1440))
lines = st.one_of(
    st.sampled_from(
        ["Praxis", "Ärzte am Dom", "Praxis " + "x" * 113, "{who}", "<b>%s</b>", "'; --", "\u202eHEK", "a\x00b"]
    ),
    st.text(min_size=1, max_size=130),
    st.from_regex(r"[A-Za-zäöü .]{3,30}", fullmatch=True),
)


def clock(minute: int) -> str:
    """``08:00``."""
    return f"{minute // 60:02}:{minute % 60:02}"


blocks = st.lists(minutes, min_size=2, max_size=8, unique=True).map(
    lambda edges: [
        {"opens": clock(opens), "closes": clock(closes)}
        for opens, closes in zip(sorted(edges)[::2], sorted(edges)[1::2], strict=False)
    ]
)
special_days = st.fixed_dictionaries(
    {"day": days, "blocks": st.one_of(st.just([]), blocks)},
    optional={"note": lines, "reason": st.sampled_from(["notdienst", "sonderoeffnung"])},
)
opening_hours = st.fixed_dictionaries(
    {"special": st.lists(special_days, max_size=3)},
    optional={"weekly": st.dictionaries(st.sampled_from(["mon", "wed", "sun"]), blocks)},
)
degrees = st.one_of(st.sampled_from([-90, 90, 180, -180, 0, 5e-324, 90.0000001]), st.floats(-200, 200))
substitutes = st.fixed_dictionaries({"text": lines}, optional={"telephone": st.sampled_from(["", "040 123", "+" * 9])})
profiles: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "name": lines,
        "specialties": st.just(["ALLG"]),
        "address": st.fixed_dictionaries(
            {"line": lines, "city": lines, "postcode": st.sampled_from(["00000", "20099", "99999"])},
            optional={"position": st.fixed_dictionaries({"latitude": degrees, "longitude": degrees})},
        ),
    },
    optional={
        "opening_hours": opening_hours,
        "absence": st.fixed_dictionaries({"first_day": days, "last_day": days}, optional={"substitute": substitutes}),
        "languages": st.lists(st.sampled_from(["de", "uk", "sr-Latn", "zz-ABCDEFGH", "DE"]), max_size=3),
        "accessibility": st.lists(
            st.fixed_dictionaries(
                {"feature": st.sampled_from(["barrierefrei", "oepnv"]), "grade": st.sampled_from(["full", "none"])},
                optional={"note": lines},
            ),
            max_size=2,
        ),
    },
)


async def is_shown(directory: Directory, person: Visitor, token: str) -> None:
    """Asks every reader for the one practice that is there."""
    bearer = {"Authorization": f"Bearer {token}"}
    everything = (
        "HealthcareService?specialty=ALLG&_include=HealthcareService:location&_include=HealthcareService:endpoint"
        "&_include=HealthcareService:organization",
        "HealthcareService?organization.active=true",
        "Location",
        "Endpoint",
        "HealthcareService?_query=near&latitude=53.5&longitude=10&distance=100&specialty=ALLG",
    )
    for asked in everything:
        async with directory.http.get(f"{directory.url}/fdv/search/{asked}", headers=bearer) as answer:
            bundle = await answer.json(content_type=None)
            assert answer.status == 200, (asked, bundle)
            assert bundle["total"] == 1 or "near" in asked, asked
    assert len(await directory.found("hausarzt")) == 1
    assert len(await person.found(what="hausarzt")) == 1
    status, _ = await directory.as_homeserver("GET", "/reachable", "reachability:read")
    assert status == 200


async def is_shown_to_its_owner(directory: Directory, owner: Visitor, key: Any) -> None:
    """Asks every reader of the practice's own."""
    for path in ("practice", "HealthcareService", "Location", "Endpoint", "Organization"):
        status, answer = await directory.as_practice(key, "GET", f"/owner/{path}")
        assert status == 200, answer
    assert (await owner.open("GET", "/praxis"))[0] == 200


async def test_what_a_practice_may_write_every_reader_shows(directory: Directory) -> None:
    key = await directory.practice_joins()
    token, person, owner = await directory.search_token(), await patient(directory), Visitor(directory)
    await owner.open("POST", "/praxis/anmelden", {"code": await code_for(directory)})
    accepted, refused = 0, 0

    @MADE_UP
    @given(profiles)
    async def write_and_read(profile: dict[str, Any]) -> None:
        nonlocal accepted, refused
        status, answer = await directory.as_practice(key, "PUT", "/owner/practice", profile)
        assert status in {200, 400}, answer
        accepted, refused = accepted + (status == 200), refused + (status == 400)
        await is_shown(directory, person, token)
        await is_shown_to_its_owner(directory, owner, key)

    await _in_turn(write_and_read)
    assert accepted, "no made-up profile was accepted, so nothing was shown"
    assert refused, "no made-up profile was refused, so the bounds were not reached"


async def _in_turn(test: Any) -> None:
    """Lets hypothesis, which knows no event loop, run an asynchronous test from a thread."""
    loop, inner = asyncio.get_running_loop(), test.hypothesis.inner_test

    @functools.wraps(inner)
    def in_the_loop(*args: Any, **named: Any) -> None:
        asyncio.run_coroutine_threadsafe(inner(*args, **named), loop).result()

    test.hypothesis.inner_test = in_the_loop
    await asyncio.to_thread(test)


@pytest.mark.parametrize(
    ("special", "status"),
    [
        ({"day": "9999-12-31", "blocks": [{"opens": "08:00", "closes": "24:00"}]}, 400),
        ({"day": "0001-01-01", "blocks": [{"opens": "00:00", "closes": "24:00"}]}, 400),
        ({"day": LAST_DAY.isoformat(), "blocks": [{"opens": "00:00", "closes": "24:00"}]}, 200),
        ({"day": FIRST_DAY.isoformat(), "blocks": [{"opens": "00:00", "closes": "24:00"}]}, 200),
    ],
)
async def test_the_first_and_last_days_are_bounds_for_all(
    directory: Directory, special: dict[str, Any], status: int
) -> None:
    key = await directory.practice_joins()
    profile = {
        "name": "Praxis",
        "specialties": ["ALLG"],
        "address": {"line": "Weg 1", "postcode": "20099", "city": "Hamburg"},
        "opening_hours": {"special": [special]},
    }
    answered, _ = await directory.as_practice(key, "PUT", "/owner/practice", profile)
    assert answered == status
    _, own = await directory.as_practice(key, "GET", "/owner/HealthcareService")
    service = own["entry"][0]["resource"]
    period = {"start": f"{special['day']}T08:00:00+01:00", "end": f"{special['day']}T23:59:00+01:00"}
    parts = [{"url": "period", "valuePeriod": period}]
    url = "https://gematik.de/fhir/directory/StructureDefinition/SpecialOpeningTimesEX"
    service["availableTime"] = [{"extension": [{"url": url, "extension": parts}]}]
    async with directory.client(SOMMER, key) as client:
        answered, outcome = await client.answer(
            "PUT",
            f"/owner/HealthcareService/{service['id']}",
            scope="practice:write",
            body=service,
            headers={"If-Match": "*"},
        )
    expected = 200 if FIRST_DAY < date.fromisoformat(special["day"]) < LAST_DAY else 422
    assert answered == expected, outcome
    await is_shown(directory, await patient(directory), await directory.search_token())


moments = days.flatmap(lambda day: st.sampled_from([f"{day}T00:00:00Z", f"{day}T23:59:59Z", f"{day}T12:00:00+14:00"]))
imported: SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"name": lines},
    optional={
        "notAvailable": st.lists(
            st.fixed_dictionaries(
                {"during": st.fixed_dictionaries({"start": days, "end": days})}, optional={"description": lines}
            ),
            max_size=2,
        ),
        "availableTime": st.lists(
            st.builds(
                lambda start, end: {
                    "extension": [
                        {
                            "url": "https://gematik.de/fhir/directory/StructureDefinition/SpecialOpeningTimesEX",
                            "extension": [{"url": "period", "valuePeriod": {"start": start, "end": end}}],
                        }
                    ]
                },
                moments,
                moments,
            ),
            max_size=2,
        ),
        "position": st.fixed_dictionaries({"latitude": degrees, "longitude": degrees}),
        "whatever": st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.text()),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        ),
    },
)


async def test_what_an_import_takes_every_reader_shows(directory: Directory, tmp_path: Path) -> None:
    """The first entry is made up, the second is sound: it is always there, whatever the first one is."""
    token, person = await directory.search_token(), await patient(directory)
    importing = directory.settings.model_copy(update={"opt_out_model": True})
    number = 0

    async def total() -> int:
        asked = f"{directory.url}/fdv/search/HealthcareService?specialty=ALLG"
        async with directory.http.get(asked, headers={"Authorization": f"Bearer {token}"}) as answer:
            assert answer.status == 200
            return int((await answer.json(content_type=None))["total"])

    @settings(MADE_UP, max_examples=max(5, EXAMPLES // 4))
    @given(imported)
    async def take_and_read(said: dict[str, Any]) -> None:
        nonlocal number
        number += 1
        organization, service, location, *rest = entry(1)
        organization["name"] = said["name"]
        location["position"] = said.get("position", location["position"])
        service |= {name: said[name] for name in ("notAvailable", "availableTime") if name in said}
        service["communication"] = said.get("whatever")
        sound = entry(2, name=f"Praxis {number}")
        file = write_lines(tmp_path / f"{number}.ndjson", [organization, service, location, *rest, *sound])
        await import_national_directory(importing, ImportRequest([file], accept_removals=True))
        for _ in range(1200):
            if f"Praxis {number} – Allgemeinmedizin, Hamburg" in await directory.found("hausarzt"):
                break
            await asyncio.sleep(0.05)
        shown = await total()
        assert shown in {1, 2}
        assert len(await directory.found("hausarzt")) == shown
        assert len(await person.found(what="hausarzt")) == shown

    await _in_turn(take_and_read)
