"""Made-up practices all over Germany with tens of thousands of surnames; the same for the same seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import product

from directory_service.adapters.postcode_file import read_postcodes
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.opening_hours import UNKNOWN_HOURS, OpeningHours, TimeBlock
from directory_service.rules.practice import Consent, Practice, PracticeState
from directory_service.rules.profile import (
    Accessibility,
    Address,
    Feature,
    Grade,
    Messenger,
    Position,
    Profile,
)
from directory_service.rules.shared_parts import shared


def _words_of(text: str) -> list[str]:
    return text.split()


_COMMON = _words_of(
    """
    Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Koch Bauer Richter Klein
    Wolf Schröder Neumann Schwarz Zimmermann Braun Krüger Hofmann Hartmann Lange Schmitt Werner Krause Meier
    Lehmann Schmid Köhler Maier Herrmann König Walter Mayer Huber Kaiser Fuchs Peters Lang Möller Weiß
    """
)
_FIRST = _words_of(
    """
    Ahl Alt Bach Bär Berg Birk Blum Brück Buch Busch Dorn Eich Eis Erl Esch Feld Fich Fink Frank Früh Gärt Gold
    Grün Groß Haber Hag Hart Heid Heim Hell Hirsch Hoch Hohl Holz Hopf Käs Kalt Kam Kirch Klein Kling Köhl Korn
    Kraft Krum Kupfer Lang Laub Leh Lind Löw Mar Mehl Mitter Möh Mül Münz Neu Nieder Nuß Ober Oster Pfeif Rein
    Ried Ritt Rös Roth Rück Sand Sau Schaf Schön Schwarz See Sieg Sonn Stein Stroh Süß Tal Tann Teich Trau Uhl
    Unter Vogel Wald Wall Weid Weiß Wester Wies Wild Wind Wört Zeis Ziegel Zell Zöll Zwick Brand Dürr Hüb
    """
)
_SECOND = _words_of(
    """
    acker auer bach bauer baum beck berg berger böck born brunn burger dorf eder egger feld felder fels gärtner
    garten graf gruber häuser hagen hammer haus heimer hof hofer holz huber hübner kamp kirchner knecht lacher
    ländler lechner lein leitner lich linger loh maier mann mayr meier meister metz meyer moser müller nagel ner
    ninger pichler rath rauch rieder ritter röder roth sack schläger schmidt schneider schütz seher siek singer
    späth stätter steiner stock strasser straub thaler treter vogt wälder wagner wald walter wanger weber weger
    weiler wieser winkler wirth wöhler zeller ziegler zimmer
    """
)
_GIVEN = _words_of(
    """
    Anna Berta Clara Dora Emil Franz Gustav Hanna Ida Jonas Karl Lena Maria Nina Otto Paul Rosa Sven Tim Ulla
    """
)
_TOWN = _words_of(
    """
    Ahren Bieden Cremm Deggen Elster Fallers Gerolz Hollen Immen Kauf Lüden Mühl Norden Offen Pürk Radolf Söm
    Über
    """
)
_TOWN_END = _words_of(
    """
    beuren burg dorf hausen heim hofen kirchen stadt stein tal walde zell
    """
)
_LAST = ["", "s", "le", "el"]
_CITIES = {
    "10": "Berlin", "12": "Berlin", "13": "Berlin", "20": "Hamburg", "22": "Hamburg", "28": "Bremen", "30": "Hannover",
    "40": "Düsseldorf", "44": "Dortmund", "45": "Essen", "50": "Köln", "51": "Köln", "60": "Frankfurt am Main",
    "70": "Stuttgart", "80": "München", "81": "München", "90": "Nürnberg", "04": "Leipzig", "01": "Dresden",
}  # fmt: skip
_CONSENT = Consent("2026-11", "made up", datetime(2026, 11, 1, tzinfo=UTC))
_DAYS = [
    (),
    *((TimeBlock(8 * 60 + late, 12 * 60 + more),) for late, more in product((0, 15, 30), (0, 30))),
    *(
        (TimeBlock(8 * 60 + late, 12 * 60), TimeBlock(14 * 60 + more, 18 * 60))
        for late, more in product((0, 30), (0, 30, 60))
    ),
]


@cache
def surnames() -> tuple[str, ...]:
    """More than 30,000 surnames; the common ones come first."""
    made = {first + second + last for first, second, last in product(_FIRST, _SECOND, _LAST)}
    return (*_COMMON, *random.Random(7).sample(sorted(made - set(_COMMON)), 36_000))  # noqa: S311 - not a secret


def practices(count: int, seed: int = 1) -> Iterator[tuple[Practice, str]]:
    """Practices, each with the surname in its name; every third has one of the common names."""
    chance = random.Random(seed)  # noqa: S311 - not a secret
    names = surnames()
    centroids = read_postcodes()
    postcodes = [code for code in map("{:05}".format, range(100_000)) if centroids.of(code)]
    postcodes += [code for code in postcodes if code[:2] in _CITIES] * 4
    codes = read_specialties().codes()
    popular = ["ALLG"] * 40 + ["INNE", "KIJU", "FRAU", "MZKH", "AUGE", "HNOH", "ORTH", "PSYC"] * 5
    for number in range(count):
        surname = chance.choice(_COMMON) if chance.random() < 1 / 3 else names[chance.randrange(len(names))]
        code = chance.choice(popular) if chance.random() < 0.7 else chance.choice(codes)
        postcode = chance.choice(postcodes)
        yield _practice(chance, number, surname, code, postcode), surname


def _practice(chance: random.Random, number: int, surname: str, code: str, postcode: str) -> Practice:
    given, partner = chance.choice(_GIVEN), chance.choice(surnames())
    middle = read_postcodes().of(postcode)
    assert middle is not None
    region = random.Random(postcode[:3])  # noqa: S311 - not a secret
    city = _CITIES.get(postcode[:2]) or region.choice(_TOWN) + region.choice(_TOWN_END)
    name = chance.choice(
        [
            f"Praxis Dr. med. {given} {surname}",
            f"Gemeinschaftspraxis {surname} und {partner}",
            f"Hausarztpraxis {surname}" if code == "ALLG" else f"Facharztpraxis {surname}",
            f"Dr. med. {given} {surname}",
            f"Kinderarztpraxis {surname}" if code == "KIJU" else f"Praxis {surname}",
            f"MVZ {surname} {city}",
        ]
    )
    hours = (
        OpeningHours((*(chance.choice(_DAYS) for _ in range(5)), (), ())) if chance.random() < 0.8 else UNKNOWN_HOURS
    )
    spot = Position(
        round(middle.latitude + chance.uniform(-0.02, 0.02), 5),
        round(middle.longitude + chance.uniform(-0.03, 0.03), 5),
    )
    user_id = f"@p{number}:made-up.example"
    # What many have alike is one object, as it is when practices are read from the database.
    return Practice(
        telematik_id=f"2-{number:09}",
        resource_id=str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        user_id=user_id,
        state=PracticeState.OPTED_IN,
        profile=Profile(
            name=name,
            specialties=shared((code,)),
            address=Address(f"Weg {chance.randrange(1, 200)}", shared(postcode), shared(city), spot),
            languages=shared(("de", chance.choice(["en", "tr", "uk", "ar", "pl"]))),
            accessibility=shared((Accessibility(Feature.BARRIER_FREE, chance.choice(list(Grade))),)),
            opening_hours=hours,
            messengers=(Messenger(user_id),),
        ),
        consent=_CONSENT,
        version=number + 1,
    )
