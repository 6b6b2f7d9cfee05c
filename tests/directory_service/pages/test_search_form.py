"""What the search form finds: filters are hard, unknown hours are their own value, faults are told beside the field."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from html import unescape

import pytest

from directory_service.rules.opening_hours import BERLIN
from tests.directory_service.bench import Directory
from tests.directory_service.pages.scene import fill, profile
from tests.directory_service.pages.visitor import Visitor, patient

SOMMER, DOM, MUELLER = "Praxis Dr. Sommer & Kollegen", "Kardiologie am Dom", "Praxis Dr. Müller"
EPPENDORF, ALTONA, KINDER = "Hausärzte Eppendorf", "Internistische Praxis Altona", "Kinderarztpraxis Wilhelmsburg"
LUEBECK = ["Hautarzt Dr. Weiß", "Praxis Dr. Müller-Lüdenscheidt"]

SEARCHES: list[tuple[dict[str, str], list[str]]] = [
    ({"what": "Hausarzt", "place": "20099"}, [SOMMER, EPPENDORF, ALTONA, MUELLER]),
    ({"what": "Hausarzt", "place": "20099", "within": "2"}, [SOMMER]),
    ({"what": "Hausarzt", "place": "20249", "specialty": "INNE"}, [EPPENDORF, SOMMER, ALTONA]),
    ({"what": "mueler"}, [MUELLER, LUEBECK[1]]),
    ({"what": "Müller", "place": "Lübeck", "within": ""}, [LUEBECK[1]]),
    ({"place": "luebeck"}, LUEBECK),
    ({"place": "235", "within": ""}, LUEBECK),
    ({"place": "Hamburg 20099", "what": "Hausarzt", "within": "2"}, [SOMMER]),
    ({"place": "D-23552 Lübeck", "within": ""}, LUEBECK),
    ({"place": "Lübek", "within": ""}, LUEBECK),
    ({"place": "Lübeck-Travemünde", "within": "10"}, LUEBECK),
    ({"place": "Hambrug", "what": "Kinderarzt", "within": "25"}, [KINDER]),
    ({"what": "Hausarztpraxis", "place": "20099"}, [SOMMER, EPPENDORF, ALTONA, MUELLER]),
    ({"what": "Hausarztpraxis Müller"}, [MUELLER, LUEBECK[1]]),
    ({"what": "Ärztin", "place": "20095", "within": "2"}, [DOM, SOMMER]),
    ({"place": "20095", "spoken": "tr"}, [EPPENDORF]),
    ({"place": "20095", "spoken": "sr"}, [SOMMER]),
    ({"place": "20095", "feature-barrierefrei": "full"}, [EPPENDORF]),
    ({"place": "20095", "feature-barrierefrei": "partly"}, [SOMMER, EPPENDORF]),
    ({"place": "20095", "opening": "open", "specialty": "KARD"}, [DOM]),
    ({"place": "20095", "opening": "open", "specialty": "INNE", "within": "2"}, [SOMMER]),
    ({"place": "Mein Standort", "latitude": "53.45", "longitude": "9.99", "within": "10"}, [KINDER]),
    ({"place": "Mein Standort", "latitude": "x", "longitude": "9.99", "what": "Kinderarzt"}, [KINDER]),
    ({"what": "Zahnarzt"}, []),
    ({"place": "Entenhausen", "within": ""}, []),
]

FAULTS: list[tuple[dict[str, str], str, str]] = [
    ({}, "what", "Bitte geben Sie ein Fachgebiet"),
    ({"what": "…"}, "what", "mindestens einen Buchstaben"),
    ({"what": " ".join(map(str, range(40)))}, "what", "zu viele Wörter"),
    ({"place": "99999"}, "place", "Diese Postleitzahl gibt es nicht"),
    ({"place": "!"}, "place", "Postleitzahl oder einen Ort"),
    ({"place": "Entenhausen"}, "place", "keinen eindeutigen Punkt"),
]

TUESDAY, SUNDAY = datetime(2026, 12, 1, 10, 40, tzinfo=BERLIN), datetime(2026, 12, 6, 10, 40, tzinfo=BERLIN)


@dataclass
class SetClock:
    """A clock that stands where it was set; it matters only for what is open."""

    moment: datetime = TUESDAY

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def search_clock() -> SetClock:
    """What is open depends on when somebody searches: on a Tuesday, until a test sets it."""
    return SetClock()


async def test_what_each_search_finds(directory: Directory) -> None:
    await fill(directory)
    visitor = await patient(directory)
    for form, expected in SEARCHES:
        assert await visitor.found(**form) == expected, form


async def test_each_fault_is_told_beside_its_field(directory: Directory) -> None:
    await fill(directory)
    visitor = await patient(directory)
    for form, field, said in FAULTS:
        status, text = await visitor.search(**form)
        fault = re.search(rf'id="{field}-error">(.*?)</p>', text)
        assert (status, bool(fault)) == (422, True), form
        assert fault is not None
        assert said in fault[1]


async def test_what_a_misspelt_place_was_taken_for_is_told(directory: Directory) -> None:
    await fill(directory)
    visitor = await patient(directory)
    for place, read_as in (("Lübek", "Lübeck"), ("Lübeck-Travemünde", "Lübeck"), ("Lüb", ""), ("Lübeck", "")):
        _, text = await visitor.search(place=place, within="")
        assert (f"Für „{place}“ wurde hier gesucht: <strong>{read_as}</strong>" in text) is bool(read_as), place
        assert ("wurde hier gesucht" in text) is bool(read_as), place


async def test_unknown_hours_are_a_value_of_their_own(directory: Directory, search_clock: SetClock) -> None:
    await fill(directory)
    visitor = await patient(directory)
    form = {"what": "Internist", "place": "20249", "opening": "open"}
    assert await visitor.found(**form) == [EPPENDORF, SOMMER]
    search_clock.moment = SUNDAY
    status, text = await visitor.search(**form)
    assert (status, re.findall(r"<h3>(.*?)</h3>", text)) == (200, [EPPENDORF])
    assert "Eine weitere Praxis würde passen, hat aber keine Öffnungszeiten angegeben." in text
    assert await visitor.found(**form | {"opening": "open-or-unknown"}) == [EPPENDORF, ALTONA]


async def test_the_reason_for_the_order_is_told(directory: Directory) -> None:
    await fill(directory)
    visitor = await patient(directory)
    for what, reason in (
        ("Kardiologie", "passt genau zu Ihren Wörtern"),
        ("Kardio", "Wortanfang passt zu Ihren Wörtern"),
        ("Eppendrof", "ähnlich geschrieben"),
        ("scheidt", "enthält Ihre Wörter"),
    ):
        assert f"Treffer: {reason}" in (await visitor.search(what=what))[1], what
    assert "dann Entfernung, dann Name" in (await visitor.search(what="Praxis", place="20099"))[1]


async def test_pages_follow_each_other(directory: Directory) -> None:
    for number in range(12):
        await directory.practice_joins(
            f"1-3{number:03}", profile=profile(f"Praxis {number:02}", "ALLG", postcode="20099")
        )
    visitor = await patient(directory)
    status, text = await visitor.search(what="Praxis")
    after = re.search(r'name="after" value="([^"]+)"', text)
    assert status == 200
    assert after is not None
    assert "12 Praxen gefunden" in text
    assert await visitor.found(what="Praxis", after=unescape(after[1])) == ["Praxis 10", "Praxis 11"]
    assert len(await visitor.found(what="Praxis", after="forged")) == 10


async def test_suggestions_show_what_a_word_means(directory: Directory) -> None:
    await fill(directory)
    visitor = await patient(directory)

    async def told(field: str, typed: str) -> str:
        form = {"csrf": visitor.hidden["csrf"], "field": field, "typed": typed}
        status, text = await visitor.open("POST", "/praxissuche/vorschlaege", form)
        assert status == 200
        return text

    assert '{"text": "Hausarzt", "note": "= Allgemeinmedizin, Innere Medizin"}' in await told("what", "hausa")
    assert "Kardiologie am Dom" in await told("what", "kardiologie am")
    assert "Lübeck" in (await told("place", "lueb")).encode().decode("unicode_escape")
    for field, typed in (("what", "h"), ("what", "…"), ("place", "20"), ("place", "")):
        assert await told(field, typed) == "[]"


@pytest.mark.parametrize("path", ["/praxissuche", "/praxissuche/vorschlaege"])
async def test_nobody_searches_without_signing_in(directory: Directory, path: str) -> None:
    await fill(directory)
    status, text = await Visitor(directory).open("POST", path, {"what": "Kardiologie", "typed": "kardio"})
    assert (status, "Dom" in text) == (403, False)
