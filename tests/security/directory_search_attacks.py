"""Attacks on the directory's search: what one request, or one person, can make it do, and what others notice."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

from tests.security.attack import Attack, Component, Kind, Outcome
from tests.security.bystander import bystander
from tests.security.crowded_directory import ORDINARY, CrowdedDirectory, crowded_directory
from tests.security.house import House
from tests.security.raw_http import RawAnswer, form_of_fields, gzip_of_zeros, nested_json, send

_Parameters = Sequence[tuple[str, str]]
_FORM = "application/x-www-form-urlencoded"
_NOTICE = "other searches are answered in between"
_BUDGET = "work of a request: 256 comparisons (400)"
_SETS = "the index joins sets of practices, each beginning once"
_TURNS = "long searches go on for 2 ms a turn, two at a time"


def _alternatives(number: int, letters: str = "z") -> str:
    return ",".join(f"{letters}{number}{other}" for other in range(number))


async def _measured(
    crowded: CrowdedDirectory, attack: Callable[[], Awaitable[list[int]]], expected: frozenset[int]
) -> Outcome:
    """Somebody else searches meanwhile; the attacker must be answered with nothing but what is expected."""
    somebody = await crowded.token()
    async with bystander(partial(crowded.search_of_a_bystander, somebody)) as other:
        statuses = await attack()
    said = f"answered {sorted(set(statuses))}"
    return Outcome(set(statuses) <= expected, len(other.waits_ms) > 1, said, other.longest_wait_ms)


@dataclass(frozen=True, slots=True)
class _Search:
    """One costly search.

    Attributes:
        statuses: what it may be answered with.
    """

    name: str
    parameters: _Parameters
    limit: str
    statuses: frozenset[int] = frozenset({200})
    kind: str = "HealthcareService"

    async def attempt(self, house: House) -> Outcome:
        """Sends it."""
        crowded = await house.scene(crowded_directory)
        token = await crowded.token()

        async def attack() -> list[int]:
            return [(await crowded.search(token, self.parameters, kind=self.kind)).status]

        return await _measured(crowded, attack, self.statuses)


_REFUSED = frozenset({400})
_AROUND = (("_query", "near"), ("latitude", "51.3"), ("longitude", "10.4"), ("distance", "100"))
_SEARCHES = (
    _Search("ten names of 64 alternatives", [("name:contains", _alternatives(64))] * 10, _BUDGET, _REFUSED),
    _Search("63 names of 64 alternatives", [("name:contains", _alternatives(64))] * 63, _BUDGET, _REFUSED),
    _Search(
        "63 chains of 64 alternatives", [("organization.name:contains", _alternatives(64))] * 63, _BUDGET, _REFUSED
    ),
    _Search("64 parameters of a text each", [("_text", "praxis zentrum arzt")] * 63, _BUDGET, _REFUSED),
    _Search(
        "a text of 32 misspelt words, eight times",
        [("_text", " ".join(f"prxis{n}" for n in range(32)))] * 8,
        _BUDGET,
        _REFUSED,
    ),
    _Search("codes of 64 alternatives, sixty times", [("specialty", _alternatives(64))] * 60, _BUDGET, _REFUSED),
    _Search("65 parameters", [("name", "praxis")] * 65, "64 parameters (400)", _REFUSED),
    _Search("as many alternatives as are allowed", [("name:contains", _alternatives(60))] * 4, _TURNS),
    _Search("as many parameters as are allowed", [("name:contains", "z1,z2,z3")] * 60, _TURNS),
    _Search("names that every practice has", [("name:contains", "a,e,i,o,u")] * 10, _TURNS),
    _Search("a chain over every practice", [("organization.name:contains", _alternatives(60))] * 4, _TURNS),
    _Search(
        "a reverse chain over every practice",
        [("_has:HealthcareService:endpoint:name:contains", _alternatives(60))] * 4,
        _TURNS,
        kind="Endpoint",
    ),
    _Search("displays of codes", [("specialty:text", _alternatives(60))] * 4, _TURNS),
    _Search("two words that most practices have", [("_text", "Praxis,Arzt")], _SETS),
    _Search("two such texts that both have to fit", [("_text", "Praxis,Arzt"), ("_text", "Arzt,Praxis")], _SETS),
    _Search("twenty times every postcode", [("location.address-postalcode", ",".join("0123456789"))] * 20, _SETS),
    _Search(
        "a language and a feature of every practice", [("communication", "de"), ("characteristic:not", "x")], _TURNS
    ),
    _Search("a phrase in every practice", [("_text", '"praxis am markt"')], _TURNS),
    _Search(
        "what must not stand there", [("_complexSearch", "true"), ("_text", "praxis -zentrum -markt -nord")], _TURNS
    ),
    _Search(
        "everything around, open and with features",
        [*_AROUND, ("isOpenInMinutes", "60"), ("characteristics", "barrierefrei")],
        _TURNS,
    ),
    _Search("an address of every word around", [*_AROUND, ("location", "strasse"), ("text", "praxis")], _TURNS),
    _Search(
        "a hundred entries with all that they link to",
        [("_count", "100"), ("_include", "*"), ("_revinclude", "*")],
        "100 entries a page",
        frozenset({200, 400}),
    ),
    _Search(
        "a page that begins in a nested position",
        [*ORDINARY, ("_after", base64.urlsafe_b64encode(nested_json(10_000)).decode()[:60_000])],
        "a position has four parts (400)",
        frozenset({400}),
    ),
)


async def _second_search_of_one_person(house: House) -> Outcome:
    crowded = await house.scene(crowded_directory)
    token = await crowded.token()
    costly = [("name:contains", _alternatives(60))] * 4

    async def attack() -> list[int]:
        answers = await asyncio.gather(*(crowded.search(token, costly) for _ in range(8)))
        return [answer.status for answer in answers]

    outcome = await _measured(crowded, attack, frozenset({200, 429}))
    return Outcome(
        outcome.stopped and "429" in outcome.said, "200" in outcome.said, outcome.said, outcome.longest_wait_ms
    )


async def _searches_of_many_people(house: House) -> Outcome:
    crowded = await house.scene(crowded_directory)
    tokens = [await crowded.token() for _ in range(50)]

    async def attack() -> list[int]:
        costly = [("name:contains", _alternatives(20))]
        answers = await asyncio.gather(*(crowded.search(token, costly) for token in tokens))
        return [answer.status for answer in answers]

    outcome = await _measured(crowded, attack, frozenset({200, 503}))
    return Outcome(outcome.stopped, "200" in outcome.said, outcome.said, outcome.longest_wait_ms)


async def _form(make: Callable[[], bytes], headers: dict[str, str], expected: frozenset[int], house: House) -> Outcome:
    crowded, body = await house.scene(crowded_directory), await asyncio.to_thread(make)
    token = await crowded.token()

    async def attack() -> list[int]:
        given = {"Authorization": f"Bearer {token}", "Content-Type": _FORM, **headers}
        answer = await send("POST", f"{crowded.url}/fdv/search/HealthcareService/_search", body, given)
        return [answer.status]

    # A server that refuses before it has read everything may hang up before its answer is read.
    return await _measured(crowded, attack, expected | {0})


async def _people_search(body: bytes, house: House) -> Outcome:
    crowded = await house.scene(crowded_directory)
    token = await crowded.machine_token("directory:search")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def attack() -> list[int]:
        answer: RawAnswer = await send("POST", f"{crowded.url}/people-search", body, headers)
        return [answer.status]

    return await _measured(crowded, attack, frozenset({400, 413, 0}))


ATTACKS = (
    *(
        Attack(f"a search: {one.name}", Component.DIRECTORY, Kind.COSTLY_REQUEST, one.limit, _NOTICE, one.attempt)
        for one in _SEARCHES
    ),
    Attack(
        "eight long searches of one person at once",
        Component.DIRECTORY,
        Kind.FLOOD,
        "one long search a person (429)",
        _NOTICE,
        _second_search_of_one_person,
    ),
    Attack(
        "long searches of fifty people at once",
        Component.DIRECTORY,
        Kind.FLOOD,
        "two long searches at a time, 32 wait (503)",
        _NOTICE,
        _searches_of_many_people,
    ),
    Attack(
        "a search form of 3 GB as 2.9 MB of gzip",
        Component.DIRECTORY,
        Kind.HEAVY_BODY,
        "compressed bodies are not read (415)",
        _NOTICE,
        partial(_form, partial(gzip_of_zeros, 3 * 1024**3), {"Content-Encoding": "gzip"}, frozenset({415})),
    ),
    Attack(
        "a search form of 12 MB",
        Component.DIRECTORY,
        Kind.HEAVY_BODY,
        "64 KiB a form (413)",
        _NOTICE,
        partial(_form, partial(form_of_fields, 12 * 1024**2), {}, frozenset({413})),
    ),
    Attack(
        "a search form of 30,000 fields",
        Component.DIRECTORY,
        Kind.HEAVY_BODY,
        "200 fields a form (400)",
        _NOTICE,
        partial(_form, partial(form_of_fields, 60_000), {}, frozenset({400})),
    ),
    Attack(
        "a people search of 10,000 words",
        Component.DIRECTORY,
        Kind.HEAVY_BODY,
        "32 words a search (400)",
        _NOTICE,
        partial(_people_search, json.dumps({"term": "praxis " * 10_000, "limit": 50}).encode()),
    ),
    Attack(
        "a people search nested 100,000 deep",
        Component.DIRECTORY,
        Kind.HEAVY_BODY,
        "a body as described (400)",
        _NOTICE,
        partial(_people_search, nested_json(100_000)),
    ),
)
